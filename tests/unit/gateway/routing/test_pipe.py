"""The pipe over several upstreams: who answers, what is told, what is tried again."""

import asyncio
from uuid import UUID

import msgspec
import pytest

from inference_gateway.caller import Caller
from inference_gateway.contract import ChatRequest
from inference_gateway.errors import (
    GatewayOverloaded,
    GatewayUnavailable,
    GenerationUnavailable,
    ModelUnknown,
    RequestRefused,
    UpstreamBroken,
    UpstreamOverloaded,
)
from inference_gateway.generation import Facts, Generation
from inference_gateway.ports import AuthorisedAdapter, GenerationRecord, Run
from inference_gateway.routing.aliases import Alias, Aliases
from inference_gateway.routing.member import Member
from inference_gateway.routing.router import ExternalPolicy, Router
from inference_gateway.unset import unset_ports
from tests.unit.gateway.routing.members import CALLER, PIECES, REQUEST, TENANT, Scripted, member

ADAPTER = AuthorisedAdapter(id="me@" + "a" * 64, sha256="a" * 64, owner_id=UUID(int=2), base_revision="r")


class Meter:
    def __init__(self) -> None:
        self.records: list[GenerationRecord] = []

    def keeps_text(self, caller: Caller) -> bool:
        return True

    def record(self, entry: GenerationRecord, run: Run | None = None) -> None:
        assert run is not None
        self.records.append(entry)


class Gate:
    async def authorise(self, adapter_id: str, caller: Caller) -> AuthorisedAdapter:
        assert adapter_id == ADAPTER.id
        assert caller == CALLER
        return ADAPTER


class Bench:
    """A pipe over `stages`, and what it wrote down."""

    def __init__(self, *stages: tuple[Member, ...], policy: ExternalPolicy | None = None) -> None:
        self.meter = Meter()
        members = [one for stage in stages for one in stage]
        router = Router(members, Aliases((Alias(name="tutor", stages=stages),)), policy)
        ports = msgspec.structs.replace(unset_ports(), meter=self.meter, adapters=Gate())
        self.pipe = Generation(router, ports)

    async def ask(self, request: ChatRequest = REQUEST) -> tuple[str, Facts]:
        async with self.pipe.open(request, CALLER) as answer:
            text = "".join([delta.text async for delta in answer.deltas])
        return text, answer.facts


def scripted(one: Member) -> Scripted:
    assert isinstance(one.upstream, Scripted)
    return one.upstream


async def test_a_primary_that_answers_is_told_and_metered() -> None:
    bench = Bench((member("a"),), (member("b"),))

    text, facts = await bench.ask()

    assert text == "".join(PIECES)
    assert (facts.model, facts.upstream, facts.degraded) == ("model-of-a", "a", False)
    (record,) = bench.meter.records
    assert (record.upstream, record.prompt_tokens, record.completion_tokens) == ("a", 5, 3)
    assert (record.finish_reason, record.error_code, record.degraded) == ("stop", "", False)
    assert record.first_token_seconds is not None
    assert len(record.prompt_sha256) == 64


@pytest.mark.parametrize(
    "fault", [GenerationUnavailable(), UpstreamBroken(), UpstreamOverloaded(retry_after_seconds=9)]
)
async def test_before_the_first_piece_the_next_one_stands_in_and_says_so(fault: Exception) -> None:
    first, second = member("a"), member("b")
    scripted(first).always = fault  # type: ignore[assignment]
    bench = Bench((first,), (second,))

    async with bench.pipe.open(REQUEST, CALLER) as answer:
        deltas = [delta async for delta in answer.deltas]

    assert (answer.facts.upstream, answer.facts.degraded) == ("b", True)
    assert all(delta.degraded for delta in deltas)
    assert bench.meter.records[0].degraded


async def test_after_the_first_piece_nothing_is_tried_again() -> None:
    first, second = member("a"), member("b")
    scripted(first).faults = [(1, UpstreamBroken())]
    bench = Bench((first,), (second,))

    text = ""
    with pytest.raises(UpstreamBroken):
        async for delta in bench.pipe.open(REQUEST, CALLER).deltas:
            text += delta.text

    assert text == PIECES[0]
    assert scripted(second).asked == []
    assert (bench.meter.records[0].error_code, bench.meter.records[0].completion_tokens) == ("upstream_broken", 1)


async def test_a_broken_connection_is_tried_once_more_and_a_refusal_never() -> None:
    only = member("a")
    bench = Bench((only,))
    scripted(only).faults = [(0, UpstreamBroken())]
    assert (await bench.ask())[1].degraded is False
    scripted(only).faults = [(0, RequestRefused())]
    with pytest.raises(RequestRefused):
        await bench.ask()

    assert len(scripted(only).asked) == 3


async def test_retries_have_a_budget() -> None:
    only = member("a")
    bench = Bench((only,))
    only.breaker._rules = msgspec.structs.replace(only.breaker._rules, failures=10**6, bad_share=2)
    scripted(only).always = UpstreamBroken()
    for _ in range(100):
        with pytest.raises(UpstreamBroken):
            await bench.ask()

    assert 110 <= len(scripted(only).asked) <= 125


async def test_an_open_breaker_sends_nothing_and_lets_one_probe_through() -> None:
    only = member("a")
    bench = Bench((only,))
    scripted(only).always = GenerationUnavailable()
    for _ in range(3):
        with pytest.raises(GenerationUnavailable):
            await bench.ask()
    asked = len(scripted(only).asked)
    with pytest.raises(GenerationUnavailable) as refused:
        await bench.ask()
    assert len(scripted(only).asked) == asked
    assert (refused.value.retry_after_seconds or 0) >= 1

    only.breaker._probe_at = 0.0
    scripted(only).always = None
    scripted(only).gate.clear()
    herd = [asyncio.create_task(bench.ask()) for _ in range(20)]
    await asyncio.sleep(0.02)
    scripted(only).gate.set()
    results = await asyncio.gather(*herd, return_exceptions=True)

    assert sum(isinstance(one, tuple) for one in results) >= 1
    assert only.breaker.state == "closed"


async def test_an_external_upstream_only_for_tenants_that_allow_it() -> None:
    inside, outside = member("a"), member("cloud", external=True)
    scripted(inside).always = GenerationUnavailable()

    with pytest.raises(GenerationUnavailable):
        await Bench((inside,), (outside,)).ask()
    assert scripted(outside).asked == []
    with pytest.raises(GenerationUnavailable):
        await Bench((outside,)).ask()
    assert scripted(outside).asked == []

    _, facts = await Bench((inside,), (outside,), policy=ExternalPolicy([TENANT])).ask()
    assert facts.upstream == "cloud"


async def test_a_drained_upstream_gets_nothing_new_and_ends_what_it_has() -> None:
    first, second = member("a"), member("b")
    bench = Bench((first,), (second,))
    scripted(first).gate.clear()
    answer = bench.pipe.open(REQUEST, CALLER)
    await anext(answer.deltas)

    first.draining = True
    assert (await bench.ask())[1].upstream == "b"
    assert first.in_flight == 1
    scripted(first).gate.set()
    assert len([delta async for delta in answer.deltas]) == 4
    assert first.in_flight == 0

    second.draining = True
    with pytest.raises(GenerationUnavailable):
        await bench.ask()


async def test_a_replica_is_no_fallback_and_a_full_one_is_passed_over() -> None:
    first, second = member("a", max_in_flight=1), member("b", max_in_flight=1)
    bench = Bench((first, second))
    for one in (first, second):
        scripted(one).gate.clear()
    answers = [bench.pipe.open(REQUEST, CALLER) for _ in range(2)]
    for answer in answers:
        await anext(answer.deltas)

    assert {answer.facts.upstream for answer in answers} == {"a", "b"}
    assert not any(answer.facts.degraded for answer in answers)
    with pytest.raises(GatewayOverloaded):
        await bench.ask()
    for answer in answers:
        await answer.deltas.aclose()
    assert (first.in_flight, second.in_flight) == (0, 0)


async def test_the_same_adapter_goes_to_the_same_replica_and_moves_only_when_it_must() -> None:
    replicas = tuple(member(f"r{number}", adapters=None) for number in range(5))
    bench = Bench(replicas)
    alias = bench.pipe.router.aliases.find("tutor")

    def home(sha256: str) -> str:
        return bench.pipe.router.route(alias, TENANT, sha256).choices[0].member.name

    adapters = [f"{number:064x}" for number in range(500)]
    before = {one: home(one) for one in adapters}
    assert before == {one: home(one) for one in adapters}
    assert all(60 <= list(before.values()).count(f"r{number}") <= 140 for number in range(5))
    replicas[2].draining = True

    moved = [one for one in adapters if home(one) != before[one]]
    assert set(moved) == {one for one in adapters if before[one] == "r2"}


async def test_an_upstream_without_the_adapter_answers_without_it_and_says_so() -> None:
    plain, knowing = member("plain"), member("knowing", adapters=frozenset({ADAPTER.id}))
    request = msgspec.structs.replace(REQUEST, adapter=ADAPTER.id)

    _, degraded = await Bench((plain,)).ask(request)
    _, whole = await Bench((knowing,)).ask(request)

    assert (degraded.adapter, degraded.degraded, scripted(plain).asked[0].adapter) == ("", True, "")
    assert (whole.adapter, whole.degraded, scripted(knowing).asked[0].adapter) == (ADAPTER.id, False, ADAPTER.id)


async def test_person_and_tenant_are_the_tokens_whatever_the_request_says() -> None:
    only = member("a")
    forged = msgspec.structs.replace(REQUEST, tenant_id=UUID(int=99), user_id=UUID(int=98))

    await Bench((only,)).ask(forged)

    assert (scripted(only).asked[0].tenant_id, scripted(only).asked[0].user_id) == (TENANT, CALLER.user_id)


async def test_bad_requests_reach_no_upstream() -> None:
    only = member("a", context_tokens=100)
    bench = Bench((only,))
    replace = msgspec.structs.replace
    for request, kind in (
        (replace(REQUEST, model="other"), ModelUnknown),
        (replace(REQUEST, prompt="x"), RequestRefused),
        (replace(REQUEST, messages=()), RequestRefused),
        (replace(REQUEST, max_tokens=101), RequestRefused),
    ):
        with pytest.raises(kind):
            await bench.ask(request)

    assert scripted(only).asked == []
    assert [record.error_code for record in bench.meter.records] == ["model_not_found", *["invalid_request"] * 3]


async def test_who_leaves_is_metered_with_what_was_sent() -> None:
    only = member("a")
    bench = Bench((only,))
    answer = bench.pipe.open(REQUEST, CALLER)
    await anext(answer.deltas)
    await answer.deltas.aclose()

    (record,) = bench.meter.records
    assert (record.error_code, record.completion_tokens, record.finish_reason) == ("client_gone", 1, None)
    assert (only.in_flight, scripted(only).closed, only.breaker.state) == (0, 1, "closed")


async def test_when_the_end_comes_open_answers_end_with_an_error_and_no_new_ones_begin() -> None:
    only = member("a")
    bench = Bench((only,))
    scripted(only).gate.clear()
    answer = bench.pipe.open(REQUEST, CALLER)
    first = await anext(answer.deltas)
    waiting = asyncio.ensure_future(anext(answer.deltas))
    await asyncio.sleep(0)

    bench.pipe.end()

    with pytest.raises(GatewayUnavailable):
        await asyncio.wait_for(waiting, 1)
    with pytest.raises(GatewayUnavailable):
        await bench.ask()
    assert first.text == PIECES[0]
    assert bench.meter.records[0].error_code == "gateway_unavailable"
    assert (only.breaker.state, only.in_flight) == ("closed", 0)


@pytest.mark.parametrize(
    ("named", "consents", "may_leave"),
    [
        (None, None, False),
        (None, False, False),
        (None, True, True),
        ([TENANT], None, True),
        ([TENANT], False, False),
        ([TENANT], True, True),
        ([], True, False),
        ([], None, False),
    ],
)
async def test_text_leaves_only_where_everybody_who_has_a_say_allows_it(
    named: list[UUID] | None, consents: bool | None, may_leave: bool
) -> None:
    outside = member("cloud", external=True)
    bench = Bench((outside,), policy=ExternalPolicy(named))
    asked: list[UUID | None] = []

    def says(tenant_id: UUID | None) -> bool:
        asked.append(tenant_id)
        return bool(consents)

    bench.pipe.ports = msgspec.structs.replace(bench.pipe.ports, text_may_leave=says if consents is not None else None)
    if may_leave:
        assert (await bench.ask())[1].upstream == "cloud"
    else:
        with pytest.raises(GenerationUnavailable):
            await bench.ask()
    assert bool(scripted(outside).asked) is may_leave
    assert set(asked) <= {TENANT}
    assert not bench.pipe.router.policy.allows(None), "what is asked for nobody has nobody's leave"
