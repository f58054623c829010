"""The upstream for OpenAI's wire against a real server: `transformers serve` with a small model made here."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai
import pytest

from inference_gateway.contract import GENERATE_PURPOSE, ChatDelta, ChatMessage, ChatRequest
from inference_gateway.engines.generation.files import locate_generator
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.errors import GenerationUnavailable, RequestRefused
from inference_gateway.upstreams.deadlines import Deadlines
from inference_gateway.upstreams.direct import DirectUpstream
from inference_gateway.upstreams.openai import OpenAIUpstream
from inference_gateway.upstreams.protocol import Upstream
from inference_gateway.upstreams.transport import Connections
from ops.local.ports import free_port
from tests import models
from tests.gateways import RunningGateway, deltas_of, pipe_of, running_gateway
from tests.unit.gateway.engine.asking import TEXTS, plain_answer

pytestmark = pytest.mark.long

small_llama = models.small_llama

DEADLINES = Deadlines(connect_seconds=5.0, first_seconds=60.0, between_seconds=30.0)
START_SECONDS = 120.0
TOKENS = 24


@dataclass(frozen=True)
class Server:
    """A running `transformers serve`; it answers to the folder's path as its model's name."""

    url: str
    model: str


@pytest.fixture(scope="module")
def server(small_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = free_port()
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [Path(sys.executable).with_name("transformers"), "serve", small_llama, "--host", "127.0.0.1"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*map(str, command), "--port", str(port), "--device", "cpu"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    try:
        url = f"http://127.0.0.1:{port}"
        until_healthy(url, process, log)
        yield Server(url, str(small_llama))
    finally:
        process.terminate()
        process.wait(timeout=30)


def until_healthy(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(log.read_text()[-2000:])


@pytest.fixture(params=["direct", "huggingface_hub"])
async def upstream(request: pytest.FixtureRequest, server: Server) -> AsyncIterator[Upstream]:
    connections = Connections(server.url, "", DEADLINES.connect_seconds)
    made: Upstream = OpenAIUpstream(connections, server.model)
    if request.param == "direct":
        made = DirectUpstream(connections, server.model, DEADLINES.connect_seconds)
    yield made
    await made.close()


@pytest.fixture(scope="module")
def expected(small_llama: Path) -> list[str]:
    """What a plain `generate` of the library says, in another process than the server's."""
    model = LanguageModel(locate_generator(str(small_llama)))
    return [plain_answer(model, text, TOKENS) for text in TEXTS]


@pytest.fixture(scope="module")
def gateway(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text(
        f'[upstreams.serve]\naddress = "{server.url}"\nmodel = "{server.model}"\n[aliases]\n"tutor@stable" = ["serve"]\n'
    )
    with running_gateway(routes=routes, deadlines=DEADLINES) as running:
        yield running


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[Any]:
    token = gateway.token(GENERATE_PURPOSE)
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=token, max_retries=0) as connected:
        yield connected


def request_of(text: str, **changes: Any) -> ChatRequest:
    return ChatRequest(messages=(ChatMessage(role="user", content=text),), max_tokens=TOKENS, **changes)


async def collect(upstream: Upstream, request: ChatRequest) -> list[ChatDelta]:
    return [delta async for delta in deltas_of(pipe_of(upstream, DEADLINES), request)]


def text_of(deltas: list[ChatDelta]) -> str:
    return "".join(delta.text for delta in deltas).rstrip("\N{REPLACEMENT CHARACTER}")


async def test_streams_an_answer_in_pieces_with_reason_usage_and_model(upstream: Upstream, expected: list[str]) -> None:
    deltas = await collect(upstream, request_of(TEXTS[0]))

    assert text_of(deltas) == expected[0]
    assert sum(delta.pieces for delta in deltas if delta.text) > 5
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["length"]
    (usage,) = [delta.usage for delta in deltas if delta.usage]
    assert (usage.completion_tokens, usage.prompt_tokens > 3) == (TOKENS, True)
    assert all(delta.model for delta in deltas)


async def test_several_at_once_get_what_generate_gives_each(upstream: Upstream, expected: list[str]) -> None:
    answers = await asyncio.gather(*(collect(upstream, request_of(text)) for text in TEXTS))

    assert [text_of(deltas) for deltas in answers] == expected


async def test_a_whole_answer_is_the_same(upstream: Upstream, expected: list[str]) -> None:
    deltas = await collect(upstream, request_of(TEXTS[1], whole=True))

    assert text_of(deltas) == expected[1]
    assert [delta.usage.completion_tokens for delta in deltas if delta.usage] == [TOKENS]


async def test_a_raw_prompt_is_continued(upstream: Upstream) -> None:
    request = ChatRequest(prompt="Gradient descent follows", max_tokens=TOKENS)

    first, second = [await collect(upstream, request) for _ in range(2)]

    assert text_of(first) == text_of(second) != ""
    assert [delta.finish_reason for delta in first if delta.finish_reason] == ["length"]


async def test_who_leaves_is_forgotten_and_the_next_is_served(upstream: Upstream, expected: list[str]) -> None:
    async with aclosing(
        deltas_of(pipe_of(upstream, DEADLINES), request_of("Tell a story.", temperature=1.0))
    ) as stream:
        await anext(stream)

    assert text_of(await collect(upstream, request_of(TEXTS[2]))) == expected[2]


async def test_another_model_than_the_servers_is_refused(server: Server) -> None:
    upstream = DirectUpstream(Connections(server.url, "", 5.0), "another", 5.0)

    with pytest.raises(RequestRefused):
        await collect(upstream, request_of("Hello"))
    await upstream.close()


async def test_health_is_asked_of_the_server_itself(upstream: Upstream) -> None:
    await upstream.check()
    nobody = DirectUpstream(Connections(f"http://127.0.0.1:{free_port()}", "", 5.0), "tutor", 5.0)
    with pytest.raises(GenerationUnavailable):
        await nobody.check()
    await nobody.close()


async def test_both_ways_to_it_give_the_same_pieces_in_the_end(server: Server) -> None:
    request = msgspec.structs.replace(request_of(TEXTS[5]), seed=7, stop=("zzz",))
    connections = [Connections(server.url, "", 5.0) for _ in range(2)]
    reference, direct = OpenAIUpstream(connections[0], server.model), DirectUpstream(connections[1], server.model, 5.0)

    answers = [await collect(one, request) for one in (reference, direct)]

    assert text_of(answers[0]) == text_of(answers[1])
    assert [d.usage for d in answers[0] if d.usage] == [d.usage for d in answers[1] if d.usage]
    for one in (reference, direct):
        await one.close()


async def test_the_unmodified_client_through_the_gateway(client: Any, expected: list[str]) -> None:
    messages = [{"role": "user", "content": TEXTS[0]}]
    wanted: Any = {"model": "tutor", "messages": messages, "max_tokens": TOKENS, "temperature": 0}
    whole = await client.chat.completions.create(**wanted)
    stream = await client.chat.completions.create(**wanted, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    raw = await client.completions.create(model="tutor", prompt=TEXTS[0], max_tokens=4, temperature=0)

    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert whole.choices[0].message.content.rstrip("\N{REPLACEMENT CHARACTER}") == expected[0]
    assert streamed.rstrip("\N{REPLACEMENT CHARACTER}") == expected[0]
    assert whole.usage.completion_tokens == chunks[-1].usage.completion_tokens == TOKENS
    assert raw.choices[0].text
    assert [card.id for card in (await client.models.list()).data][1:] == ["tutor@stable"]
