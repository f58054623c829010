"""The embedded engine behind the gateway's wire: the unmodified `openai` client, and our own."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from inference_gateway.client import GatewayClient
from inference_gateway.contract import EMBED_PURPOSE, GENERATE_PURPOSE, ChatMessage, ChatRequest
from inference_gateway.engines.generation import files
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.errors import GatewayOverloaded, ModelUnknown
from ops.runtime.tokens import ServiceTokens
from tests import models
from tests.gateways import INFO, RunningGateway, running_gateway
from tests.processes import until
from tests.unit.gateway.engine.asking import TEXTS, plain_answer

small_llama = models.small_llama

MESSAGES: Any = [{"role": "user", "content": TEXTS[1]}]
LONG = ChatRequest(messages=(ChatMessage(role="user", content="Tell a long story."),), max_tokens=1000)
GREEDY: Any = {"model": "small-llama", "messages": MESSAGES, "max_tokens": 40, "temperature": 0}
READY_SECONDS = 30.0


def components(gateway: RunningGateway) -> dict[str, str]:
    report = httpx.get(f"{gateway.url}/health/ready").json()
    return {component["name"]: component["status"] for component in report["components"]}


@pytest.fixture(scope="module")
def embedded(small_llama: Path) -> Iterator[RunningGateway]:
    with running_gateway(model=str(small_llama), permits=40) as gateway:
        until(lambda: components(gateway)["generation"] == "up", READY_SECONDS)
        yield gateway


@pytest.fixture
def expected(small_llama: Path) -> str:
    return plain_answer(LanguageModel(files.locate_generator(str(small_llama))), TEXTS[1], 40)


@pytest.fixture
async def chat(embedded: RunningGateway) -> AsyncIterator[Any]:
    token = embedded.token(GENERATE_PURPOSE)
    async with openai.AsyncOpenAI(base_url=f"{embedded.url}/v1", api_key=token, max_retries=0) as client:
        yield client


@pytest.fixture
async def ours(embedded: RunningGateway) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(embedded.url, ServiceTokens(embedded.key)) as client:
        yield client


async def test_the_models_are_listed_under_their_names(ours: GatewayClient, chat: Any) -> None:
    assert [card.id for card in (await chat.models.list()).data] == [INFO.embedder, "small-llama"]
    assert (await ours.model_info()).generator == "small-llama"


async def test_a_whole_completion_is_what_generate_gives(chat: Any, expected: str) -> None:
    reply = await chat.chat.completions.create(**GREEDY)

    assert reply.choices[0].message.content == expected
    assert reply.choices[0].finish_reason == "length"
    assert reply.model == "small-llama"
    assert reply.usage.completion_tokens == 40
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 40


async def test_a_streamed_completion_is_the_same_in_pieces(chat: Any, expected: str) -> None:
    stream = await chat.chat.completions.create(**GREEDY, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]

    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == expected
    assert sum(bool(text) for text in texts) > 10
    assert {chunk.model for chunk in chunks} == {"small-llama"}
    assert chunks[-1].usage.completion_tokens == 40


SCHEMA: Any = {
    "type": "object",
    "properties": {"grade": {"type": "integer", "minimum": 1, "maximum": 6}},
    "required": ["grade"],
    "additionalProperties": False,
}


def json_format(schema: Any) -> Any:
    return {"type": "json_schema", "json_schema": {"name": "grade", "schema": schema}}


async def test_an_answer_can_be_held_to_a_schema(chat: Any, ours: GatewayClient) -> None:
    reply = await chat.chat.completions.create(**GREEDY, response_format=json_format(SCHEMA))
    request = ChatRequest(messages=LONG.messages, json_schema=SCHEMA)
    streamed = "".join([delta.text async for delta in ours.stream_chat(request)])

    for text in (reply.choices[0].message.content, streamed):
        assert json.loads(text)["grade"] in range(1, 7)
    assert reply.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    "wanted",
    [
        json_format({"type": "nonsense"}),
        json_format({"type": "string", "enum": ["x" * 70_000]}),
        {"type": "json_schema"},
        {"type": "grammar"},
    ],
    ids=["no schema", "too large", "without schema", "unknown"],
)
async def test_a_bad_response_format_is_422_with_its_place(chat: Any, wanted: Any) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await chat.chat.completions.create(**GREEDY, response_format=wanted)

    assert refused.value.code == "invalid_request"
    assert str(refused.value.param).startswith("/response_format")


async def test_twenty_at_once_get_what_each_gets_alone(chat: Any) -> None:
    async def answer(number: int) -> str:
        messages = [{"role": "user", "content": f"{TEXTS[number % len(TEXTS)]} {number}"}]
        reply = await chat.chat.completions.create(
            model="", messages=messages, max_tokens=24, temperature=0.8, seed=number
        )
        content: str = reply.choices[0].message.content
        return content

    together = await asyncio.gather(*(answer(number) for number in range(20)))

    assert together == [await answer(number) for number in range(20)]


async def test_bad_requests_have_their_names(chat: Any, ours: GatewayClient) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="1024") as too_long:
        await chat.chat.completions.create(model="", messages=[{"role": "user", "content": "word " * 5000}])
    assert too_long.value.code == "invalid_request"
    with pytest.raises(ModelUnknown):
        await anext(ours.stream_chat(ChatRequest(messages=LONG.messages, model="gpt-9")))


async def test_who_leaves_makes_room_at_once(embedded: RunningGateway, ours: GatewayClient) -> None:
    before = generated_tokens(embedded)
    async with aclosing(ours.stream_chat(LONG)) as stream:
        await anext(stream)
    now, seen = generated_tokens(embedded), -1.0
    while now != seen:
        await asyncio.sleep(0.2)
        now, seen = generated_tokens(embedded), now

    assert now - before < LONG.max_tokens / 2


async def test_too_many_are_sent_away_with_a_time_to_come_back(small_llama: Path) -> None:
    with running_gateway(model=str(small_llama), permits=2) as gateway:
        until(lambda: components(gateway)["generation"] == "up", READY_SECONDS)
        async with (
            GatewayClient(gateway.url, ServiceTokens(gateway.key)) as client,
            aclosing(client.stream_chat(LONG)) as first,
            aclosing(client.stream_chat(LONG)) as second,
        ):
            await asyncio.gather(anext(first), anext(second))
            with pytest.raises(GatewayOverloaded) as overloaded:
                await anext(client.stream_chat(LONG))
    assert (overloaded.value.retry_after_seconds or 0) >= 1


async def test_while_it_loads_health_says_so_and_embeddings_are_served(
    small_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(files, "weights_revision", lambda folder: go_on.wait(timeout=20) and "0" * 64)
    with running_gateway(model=str(small_llama)) as gateway:
        assert components(gateway) == {"embedder": "up", "generation": "loading", "generation_loaded": "loading"}
        assert httpx.get(f"{gateway.url}/health/ready").status_code == 503
        headers = gateway.headers(GENERATE_PURPOSE)
        body = {"messages": MESSAGES}
        refused = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "generation_unavailable")
        assert "loading" in refused.json()["error"]["message"]
        embedded = httpx.post(
            f"{gateway.url}/v1/embeddings", json={"input": ["one"]}, headers=gateway.headers(EMBED_PURPOSE)
        )
        assert embedded.status_code == 200

        go_on.set()
        until(lambda: components(gateway)["generation"] == "up", READY_SECONDS)
        assert httpx.get(f"{gateway.url}/health/ready").status_code == 200


def test_a_model_that_cannot_be_loaded_leaves_the_rest_of_the_gateway_ready(tmp_path: Path, small_llama: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_bytes((small_llama / "config.json").read_bytes())
    (broken / "model.safetensors").write_bytes(b"no weights")
    with running_gateway(model=str(broken)) as gateway:
        until(lambda: components(gateway)["generation"] == "down", READY_SECONDS)
        assert httpx.get(f"{gateway.url}/health/ready").json()["status"] == "degraded"
        headers = gateway.headers(GENERATE_PURPOSE)
        refused = httpx.post(f"{gateway.url}/v1/chat/completions", json={"messages": MESSAGES}, headers=headers)
    assert refused.status_code == 503
    assert "broken" in refused.json()["error"]["message"]


def generated_tokens(gateway: RunningGateway) -> float:
    text = httpx.get(f"{gateway.url}/metrics", headers=gateway.headers(GENERATE_PURPOSE)).text
    line = next(line for line in text.splitlines() if line.startswith("lyceum_generated_tokens_total "))
    return float(line.split()[1])
