"""Our own client against the gateway's own wire."""

import asyncio
import subprocess
import sys
import threading
import time
from contextlib import aclosing, suppress

import msgspec
import pytest

from inference_gateway.client import TEXTS_PER_REQUEST, GatewayClient
from inference_gateway.contract import ChatMessage, ChatRequest, ModelInfo
from inference_gateway.errors import (
    EmbedderFailed,
    GatewayError,
    GatewayOverloaded,
    GatewayUnavailable,
    GenerationUnavailable,
    ModelLoading,
    RequestRefused,
    TokenRefused,
    UpstreamBroken,
    UpstreamTimeout,
)
from ops.runtime.ids import new_id
from ops.runtime.telemetry import REGISTRY
from ops.runtime.tokens import ServiceTokens
from tests.fakes.behaviours import Behaviour
from tests.fakes.server import FakeServer
from tests.gateways import INFO, HashingEncoder, RunningGateway, running_gateway, vector
from tests.processes import PATIENCE_SECONDS, eventually

ASK = ChatRequest(
    messages=(ChatMessage(role="user", content="[1] Water boils at 100 degrees.\n\nQuestion: When does water boil?"),),
    tenant_id=new_id(),
)


async def ask(client: GatewayClient, request: ChatRequest = ASK) -> str:
    return "".join([delta.text async for delta in client.stream_chat(request)])


async def ask_when_there_is_room(client: GatewayClient) -> str:
    """Ask until a permit that is on its way back has come."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(GatewayOverloaded):
                return await ask(client)
            await asyncio.sleep(0.01)


def ended(outcome: str) -> float:
    """Return how many requests for embeddings ended so, in all gateways of this process."""
    labels = {"operation": "POST /v1/embeddings", "outcome": outcome}
    return REGISTRY.get_sample_value("lyceum_gateway_requests_total", labels) or 0.0


async def test_vectors_come_back_in_order_and_exactly(client: GatewayClient) -> None:
    texts = [f"{'word ' * (number % 17)}{number}" for number in range(TEXTS_PER_REQUEST * 2 + 3)]

    batch = await client.embed(texts, lane="passage", tenant_id=new_id())

    assert batch.vectors == [vector(text) for text in texts]
    assert (batch.model, batch.revision, batch.dimensions) == (INFO.embedder, INFO.revision, INFO.dimensions)
    assert batch.prompt_tokens == sum(len(text.split()) for text in texts)


async def test_no_texts_give_no_vectors(client: GatewayClient) -> None:
    batch = await client.embed([], lane="query", tenant_id=None)

    assert (batch.vectors, batch.dimensions) == ([], INFO.dimensions)


async def test_facts_about_the_models(client: GatewayClient) -> None:
    info = await client.model_info()

    assert info == ModelInfo(
        embedder=INFO.embedder,
        revision=INFO.revision,
        dimensions=INFO.dimensions,
        languages=INFO.languages,
        max_tokens=INFO.max_tokens,
        generator="tutor",
    )
    assert info.knows("ar")
    assert not info.knows("fr")


async def test_chat_arrives_piece_by_piece_with_usage(client: GatewayClient) -> None:
    deltas = [delta async for delta in client.stream_chat(ASK)]

    assert "".join(delta.text for delta in deltas) == "Water boils at 100 degrees [1]."
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert [delta.usage.completion_tokens for delta in deltas if delta.usage] == [6]


async def test_a_raw_prompt_is_continued_piece_by_piece_with_usage(client: GatewayClient) -> None:
    raw = msgspec.structs.replace(ASK, messages=(), prompt=ASK.messages[0].content)

    deltas = [delta async for delta in client.stream_chat(raw)]

    assert "".join(delta.text for delta in deltas) == "Water boils at 100 degrees [1]."
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert [delta.usage.completion_tokens for delta in deltas if delta.usage] == [6]


async def test_a_raw_prompt_is_held_to_no_schema(client: GatewayClient) -> None:
    with pytest.raises(RequestRefused):
        await ask(client, ChatRequest(prompt="x", json_schema={"type": "object"}))


async def test_without_a_generation_server_chat_is_unavailable_and_embedding_is_not(
    lonely_gateway: RunningGateway,
) -> None:
    async with GatewayClient(lonely_gateway.url, ServiceTokens(lonely_gateway.key)) as client:
        with pytest.raises(GenerationUnavailable):
            await ask(client)
        assert (await client.model_info()).generator is None
        assert (await client.embed(["x"], lane="query", tenant_id=None)).vectors == [vector("x")]


@pytest.mark.parametrize(
    ("behaviour", "text", "kind"),
    [
        ("cut", "Water boils at", UpstreamBroken),
        ("broken_json", "Water boils at", UpstreamBroken),
        ("stall", "Water boils at", UpstreamTimeout),
        ("stall_before_first", "", UpstreamTimeout),
        ("overloaded", "", GatewayOverloaded),
        ("not_ready", "", GenerationUnavailable),
    ],
)
async def test_faults_of_the_server_behind(
    client: GatewayClient, fake_openai: FakeServer, behaviour: Behaviour, text: str, kind: type[GatewayError]
) -> None:
    fake_openai.behave(behaviour)

    received = ""
    with pytest.raises(kind):
        async for delta in client.stream_chat(ASK):
            received += delta.text

    assert received == text
    assert await ask(client) == "Water boils at 100 degrees [1]."


async def test_leaving_cancels_all_the_way_to_the_server_behind(client: GatewayClient, fake_openai: FakeServer) -> None:
    fake_openai.behave("stall")
    async with aclosing(client.stream_chat(ASK)) as stream:
        await anext(stream)

    left_at = time.monotonic()
    await eventually(lambda: bool(fake_openai.disconnects), why="the generation goes on")

    assert fake_openai.disconnects[0] - left_at < 0.5


async def test_more_generations_than_permits_are_refused_and_permits_come_back(fake_openai: FakeServer) -> None:
    with running_gateway(generation_url=fake_openai.url, permits=2) as gateway:
        async with GatewayClient(gateway.url, ServiceTokens(gateway.key)) as client:
            fake_openai.behave("stall", "stall")
            streams = [client.stream_chat(ASK) for _ in range(2)]
            for stream in streams:
                await anext(stream)
            with pytest.raises(GatewayOverloaded) as refused:
                await ask(client)
            for stream in streams:
                await stream.aclose()

            assert refused.value.retry_after_seconds == 2
            assert await ask_when_there_is_room(client) == "Water boils at 100 degrees [1]."


async def test_a_gateway_that_loads_says_so(fake_openai: FakeServer) -> None:
    loading = threading.Event()
    with running_gateway(loading=loading, generation_url=fake_openai.url) as gateway:
        async with GatewayClient(gateway.url, ServiceTokens(gateway.key)) as client:
            with pytest.raises(ModelLoading) as refused:
                await client.embed(["x"], lane="query", tenant_id=None)
            assert (refused.value.retry_after_seconds or 0) >= 1
            assert await ask(client) == "Water boils at 100 degrees [1]."

            loading.set()
            while True:
                try:
                    assert (await client.embed(["x"], lane="query", tenant_id=None)).vectors == [vector("x")]
                    break
                except ModelLoading:
                    await asyncio.sleep(0.01)


async def test_a_model_that_fails_on_a_batch_says_so_and_goes_on() -> None:
    encoder = HashingEncoder(failure=MemoryError())
    with running_gateway(encoder=encoder) as gateway:
        async with GatewayClient(gateway.url, ServiceTokens(gateway.key)) as client:
            with pytest.raises(EmbedderFailed):
                await client.embed(["x"], lane="query", tenant_id=None)
            encoder.failure = None

            assert (await client.embed(["x"], lane="query", tenant_id=None)).vectors == [vector("x")]


async def test_another_installations_key_is_refused(gateway: RunningGateway) -> None:
    async with GatewayClient(gateway.url, ServiceTokens(b"k" * 32)) as client:
        with pytest.raises(TokenRefused):
            await client.embed(["x"], lane="query", tenant_id=None)


async def test_no_gateway_at_the_address() -> None:
    async with GatewayClient("http://127.0.0.1:9", ServiceTokens(b"k" * 32)) as client:
        with pytest.raises(GatewayUnavailable):
            await client.embed(["x"], lane="query", tenant_id=None)
        with pytest.raises(GatewayUnavailable):
            await ask(client)


async def test_a_client_that_leaves_takes_its_passages_out_of_the_queue() -> None:
    encoder = HashingEncoder()
    encoder.gate.clear()
    before = ended("4xx"), ended("5xx")
    with running_gateway(encoder=encoder) as gateway:
        async with GatewayClient(gateway.url, ServiceTokens(gateway.key)) as client:
            leaving = asyncio.create_task(
                client.embed([f"left {n}" for n in range(100)], lane="passage", tenant_id=None)
            )
            while not encoder.batches:
                await asyncio.sleep(0.01)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            await eventually(lambda: ended("4xx") == before[0] + 1)
            encoder.gate.set()
            await client.embed(["stayed"], lane="passage", tenant_id=None)

    computed = [text for batch in encoder.batches for text in batch]
    assert computed[-1] == "stayed"
    assert len(computed) <= 8 + 1
    assert (ended("4xx"), ended("5xx")) == (before[0] + 1, before[1])


async def test_a_question_overtakes_the_passages_of_another_request() -> None:
    encoder = HashingEncoder()
    encoder.gate.clear()
    with running_gateway(encoder=encoder) as gateway:
        async with GatewayClient(gateway.url, ServiceTokens(gateway.key)) as client:
            passages = asyncio.create_task(client.embed(["passage"] * 100, lane="passage", tenant_id=None))
            while not encoder.batches:
                await asyncio.sleep(0.01)
            question = asyncio.create_task(client.embed(["question"], lane="query", tenant_id=None))
            await eventually(lambda: "question" in encoder.prepared)
            await client.model_info()  # what comes after another request has its place in the queue
            encoder.gate.set()
            await asyncio.gather(question, passages)

    assert encoder.batches[1] == ["question"]


def test_the_client_imports_neither_torch_nor_a_web_framework() -> None:
    program = (
        "import sys, inference_gateway.client, inference_gateway.contract;"
        "heavy = {'torch', 'numpy', 'transformers', 'sentence_transformers', 'huggingface_hub', 'litestar', 'uvicorn'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"
