"""Small parts of the upstreams: deadlines, prompts without a template, the choice by settings."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from inference_gateway.contract import ChatDelta, ChatMessage, ChatRequest
from inference_gateway.errors import (
    GatewayError,
    GenerationUnavailable,
    UpstreamBroken,
    UpstreamOverloaded,
    UpstreamTimeout,
)
from inference_gateway.events import MAX_LINE_BYTES
from inference_gateway.transcript import transcript
from inference_gateway.upstreams.choose import upstream_from
from inference_gateway.upstreams.deadlines import Deadlines, with_deadlines
from inference_gateway.upstreams.direct import DirectUpstream
from inference_gateway.upstreams.tgi import TgiUpstream, without_beginning
from ops.runtime.settings import Settings
from tests.fakes.server import Exchange, FakeServer, serving
from tests.fakes.tgi_server import tgi_server
from tests.gateways import deltas_of, pipe_of

MESSAGES = (ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Hello"))


class Slow:
    """A stream with a pause before each piece; `closed` tells that it was closed."""

    def __init__(self, *pauses: float) -> None:
        self.pauses = pauses
        self.closed = False

    async def stream(self) -> AsyncGenerator[ChatDelta, None]:
        try:
            for pause in self.pauses:
                await asyncio.sleep(pause)
                yield ChatDelta(text="x")
        finally:
            self.closed = True


async def count_until_timeout(slow: Slow, deadlines: Deadlines) -> int:
    count = 0
    with pytest.raises(UpstreamTimeout):
        async for _ in with_deadlines(slow.stream(), deadlines):
            count += 1
    assert slow.closed
    return count


async def test_the_first_piece_and_the_gaps_have_deadlines_of_their_own() -> None:
    patient_at_first = Deadlines(first_seconds=5, between_seconds=0.05)
    impatient = Deadlines(first_seconds=0.05, between_seconds=5)

    assert await count_until_timeout(Slow(0.1, 0, 1), patient_at_first) == 2
    assert await count_until_timeout(Slow(1), impatient) == 0


async def test_the_time_a_reader_takes_is_not_held_against_the_server() -> None:
    slow = Slow(0, 0, 0)
    async with aclosing(with_deadlines(slow.stream(), Deadlines(first_seconds=0.05, between_seconds=0.05))) as stream:
        async for _ in stream:
            await asyncio.sleep(0.1)

    assert slow.closed


def test_settings_choose_the_upstream() -> None:
    assert upstream_from(Settings()) is None
    openai = upstream_from(Settings(generation_url="http://h:1/v1/"))
    tgi = upstream_from(Settings(generation_url="http://h:1", generation_api="tgi", generation_model="tutor"))

    assert isinstance(openai, DirectUpstream)
    assert isinstance(tgi, TgiUpstream)
    assert (openai.model, tgi.model) == ("tgi", "tutor")


def test_a_transcript_for_models_without_a_template() -> None:
    assert transcript(MESSAGES) == "Be brief.\n\nUser: Hello\n\nAssistant:"
    assert without_beginning("<s>[INST] hi") == "[INST] hi"


@pytest.mark.parametrize("chat_template", [True, False])
async def test_tgi_lays_out_the_prompt_by_its_template_where_it_has_one(chat_template: bool) -> None:
    with tgi_server(chat_template=chat_template) as fake:
        upstream = upstream_from(Settings(generation_url=fake.url, generation_api="tgi"))
        assert upstream is not None
        deltas = [delta async for delta in upstream.stream(ChatRequest(messages=MESSAGES))]
        await upstream.close()

    tokenize, generate = fake.received
    assert tokenize.body["model"] == "tgi"
    assert deltas[-1].finish_reason == "stop"
    expected = "<|start|>system\n\nBe brief.<|end|><|start|>user\n\nHello<|end|><|start|>assistant\n\n"
    assert generate.body["inputs"] == (expected if chat_template else transcript(MESSAGES))


@pytest.mark.parametrize(
    ("status", "headers", "meant"),
    [(429, {"retry-after": "7"}, UpstreamOverloaded), (503, {}, GenerationUnavailable), (500, {}, UpstreamBroken)],
)
async def test_tgi_may_refuse_to_lay_out_the_prompt(
    status: int, headers: dict[str, str], meant: type[GatewayError]
) -> None:
    async def answer(_fake: FakeServer, exchange: Exchange) -> None:
        await exchange.json({"error": "no"}, status, headers)

    with serving(answer) as fake:
        upstream = upstream_from(Settings(generation_url=fake.url, generation_api="tgi"))
        assert upstream is not None
        with pytest.raises(GatewayError) as told:
            _ = [delta async for delta in upstream.stream(ChatRequest(messages=MESSAGES))]
        await upstream.close()

    assert type(told.value) is meant
    assert told.value.retry_after_seconds == {429: 7, 503: 2, 500: None}[status]


@pytest.mark.parametrize(
    "request_", [ChatRequest(messages=MESSAGES), ChatRequest(prompt="Hello")], ids=["chat", "prompt"]
)
async def test_a_line_without_end_is_given_up(request_: ChatRequest) -> None:
    async def answer(_fake: FakeServer, exchange: Exchange) -> None:
        await exchange.start(200, "text/event-stream")
        for _ in range(2 * MAX_LINE_BYTES // 65_536):
            await exchange.write(b"data: " + b"x" * 65_536)
        await exchange.end()

    with serving(answer) as fake:
        upstream = upstream_from(Settings(generation_url=fake.url))
        assert upstream is not None
        with pytest.raises(UpstreamBroken, match="too long"):
            _ = [delta async for delta in upstream.stream(request_)]
        await upstream.close()


async def test_a_redirect_of_the_server_is_not_followed() -> None:
    async def redirect(fake: FakeServer, exchange: Exchange) -> None:
        await exchange.json({}, 307, {"location": f"{fake.url}/elsewhere"})

    with serving(redirect) as fake:
        upstream = upstream_from(Settings(generation_url=fake.url))
        assert upstream is not None
        with pytest.raises(UpstreamBroken):
            _ = [delta async for delta in deltas_of(pipe_of(upstream), ChatRequest(messages=MESSAGES))]
        await upstream.close()

    assert {one.path for one in fake.received} == {"/v1/chat/completions"}
