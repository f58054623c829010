"""Each fault of an upstream: what the caller gets, what the breaker says, how it recovers; and the page that says so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from inference_gateway.contract import ChatMessage, ChatRequest
from inference_gateway.errors import GatewayError
from inference_gateway.generation import Facts, Generation
from inference_gateway.routing.aliases import Alias, Aliases
from inference_gateway.routing.breaker import Rules
from inference_gateway.routing.member import Member
from inference_gateway.routing.router import Router
from inference_gateway.upstreams.choose import Place, remote
from inference_gateway.upstreams.deadlines import Deadlines
from tests.fakes.behaviours import Behaviour
from tests.fakes.door import Door
from tests.fakes.openai_server import openai_server
from tests.fakes.server import FakeServer
from tests.fakes.tgi_server import tgi_server
from tests.gateways import NOBODY

PAGE = Path(__file__).parents[3] / "ops" / "runbooks" / "upstreams.md"
ASK = ChatRequest(messages=(ChatMessage(role="user", content="[1] Water boils at 100 degrees.\n\nQuestion: When?"),))
DEADLINES = Deadlines(connect_seconds=1.0, first_seconds=0.8, between_seconds=0.6)
RULES = Rules(open_seconds=0.6, jitter=0.0)
ANSWER = "Water boils at 100 degrees [1]."

FAULTS: dict[str, Behaviour | None] = {
    "connection refused": None,
    "503": "not_ready",
    "500": "failing",
    "429 with Retry-After": "overloaded",
    "request refused (422)": "too_long",
    "broken JSON before the first piece": "broken_json_first",
    "cut before the first piece": "cut_first",
    "no head of an answer": "slow_headers",
    "silence before the first piece": "stall_before_first",
    "broken JSON after some pieces": "broken_json",
    "cut after some pieces": "cut",
    "silence after some pieces": "stall",
    "end without a reason": "ends_without_reason",
}
AFTER_SOME_PIECES = [name for name in FAULTS if "after some" in name or name == "end without a reason"]


def rows() -> dict[str, list[str]]:
    """The page's table: the cells after the first, by the first."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: rest for first, *rest in cells[1:]}


@dataclass(frozen=True)
class Stage:
    """A server that can fail, behind a door, and one that stands in."""

    api: str
    fake: FakeServer
    door: Door
    spare: FakeServer

    def pipe(self, *, fallback: bool) -> Generation:
        members = [self._member("primary", self.door.url)]
        if fallback:
            members.append(self._member("spare", self.spare.url))
        return Generation(Router(members, Aliases((Alias(name="tutor", stages=tuple((one,) for one in members)),))))

    def _member(self, name: str, url: str) -> Member:
        place = Place(api=self.api, address=url, model="tutor", key="")  # type: ignore[arg-type]
        return Member(name, remote(place, DEADLINES), deadlines=DEADLINES, rules=RULES)

    def fail(self, behaviour: Behaviour | None) -> None:
        if behaviour is None:
            self.door.slam()
        else:
            self.fake.always(behaviour)

    async def heal(self, behaviour: Behaviour | None) -> None:
        self.fake.always("right")
        if behaviour is None:
            await self.door.open()


@pytest.fixture(params=["openai", pytest.param("tgi", marks=pytest.mark.long)])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    serving = openai_server if request.param == "openai" else tgi_server
    with serving() as fake, serving() as spare:
        door = Door(fake.url)
        await door.open()
        yield Stage(request.param, fake, door, spare)
        door.slam()


async def ask(pipe: Generation, *, whole: bool = False) -> tuple[str, GatewayError | None, Facts]:
    text = ""
    async with pipe.open(msgspec.structs.replace(ASK, whole=whole), NOBODY) as answer:
        try:
            async for delta in answer.deltas:
                text += delta.text
        except GatewayError as error:
            return text, error, answer.facts
    return text, None, answer.facts


def in_words(text: str, error: GatewayError | None, facts: Facts) -> str:
    if error is None:
        assert text == ANSWER
        return "200 degraded" if facts.degraded else "200"
    if text:
        assert ANSWER.startswith(text)
        return f"pieces, then `{error.code}`"
    if error.status in (429, 503):
        assert (error.retry_after_seconds or 0) >= 1
    return f"{error.status} `{error.code}`"


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_a_fault_gives_what_the_page_says(stage: Stage, fault: str) -> None:
    behaviour = FAULTS[fault]
    alone, backed = stage.pipe(fallback=False), stage.pipe(fallback=True)
    primary = alone.router.members["primary"]
    stage.fail(behaviour)

    said = [in_words(*await ask(alone)), in_words(*await ask(backed))]
    for _ in range(2):
        await ask(alone)
    said.append(primary.breaker.state)
    said.append(await recovery(stage, alone, behaviour))

    assert said == rows()[fault]
    await alone.close()
    await backed.close()


async def recovery(stage: Stage, pipe: Generation, behaviour: Behaviour | None) -> str:
    """Heal the server; tell in words when the pipe uses it again."""
    primary = pipe.router.members["primary"]
    await stage.heal(behaviour)
    if primary.breaker.state == "closed":
        assert (await ask(pipe))[0] == ANSWER
        return "at once"
    before = len(stage.fake.received)
    _, error, _ = await ask(pipe)
    assert (error and error.status, len(stage.fake.received)) == (503, before), "nothing is sent while it is open"
    await asyncio.sleep(primary.breaker.seconds_until_probe + 0.01)
    assert (await ask(pipe))[0] == ANSWER
    assert str(primary.breaker.state) == "closed"
    return "the first probe closes it"


@pytest.mark.parametrize("fault", AFTER_SOME_PIECES)
async def test_an_answer_wanted_whole_comes_from_the_fallback_even_then(stage: Stage, fault: str) -> None:
    alone, backed = stage.pipe(fallback=False), stage.pipe(fallback=True)
    stage.fail(FAULTS[fault])

    text, error, facts = await ask(backed, whole=True)
    nothing, alone_error, _ = await ask(alone, whole=True)

    assert (text, error, facts.degraded, facts.upstream) == (ANSWER, None, True, "spare")
    assert nothing == ""
    assert alone_error is not None
    assert alone_error.status in (502, 504)
    await alone.close()
    await backed.close()


def test_the_page_has_these_faults_and_no_others() -> None:
    assert list(rows()) == list(FAULTS)
