"""The unmodified `openai` client against the gateway's own wire."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from inference_gateway.contract import EMBED_PURPOSE, GENERATE_PURPOSE
from tests.fakes.server import FakeServer
from tests.gateways import INFO, RunningGateway, vector

MESSAGES: Any = [{"role": "user", "content": "[1] The moon is 384400 km away.\n\nQuestion: How far is the moon?"}]
ANSWER = "The moon is 384400 km away [1]."


def connect(gateway: RunningGateway, purpose: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.token(purpose), max_retries=0)


@pytest.fixture
async def embedding(gateway: RunningGateway) -> AsyncIterator[openai.AsyncOpenAI]:
    async with connect(gateway, EMBED_PURPOSE) as client:
        yield client


@pytest.fixture
async def chat(gateway: RunningGateway) -> AsyncIterator[openai.AsyncOpenAI]:
    async with connect(gateway, GENERATE_PURPOSE) as client:
        yield client


@pytest.mark.parametrize("encoding", [openai.omit, "float", "base64"])
async def test_embeddings(embedding: Any, encoding: object) -> None:
    texts = ["one", "two two two", "ثلاثة"]

    reply = await embedding.embeddings.create(model=INFO.embedder, input=texts, encoding_format=encoding)

    assert [item.index for item in reply.data] == [0, 1, 2]
    if encoding != "base64":
        assert [item.embedding for item in reply.data] == [pytest.approx(vector(text)) for text in texts]
    assert reply.model == INFO.embedder
    assert reply.usage.prompt_tokens == 5


async def test_one_text_and_the_lane_as_an_extension(embedding: Any) -> None:
    by_field = await embedding.embeddings.create(model="", input="one", extra_body={"lane": "query"})
    by_header = await embedding.embeddings.create(model="", input="one", extra_headers={"X-Lyceum-Lane": "query"})

    assert by_field.data[0].embedding == by_header.data[0].embedding == pytest.approx(vector("one"))
    with pytest.raises(openai.UnprocessableEntityError):
        await embedding.embeddings.create(model="", input="one", extra_headers={"X-Lyceum-Lane": "fast"})


async def test_models(embedding: Any) -> None:
    listing = await embedding.models.list()

    embedder, generator = listing.data
    assert (embedder.id, generator.id) == (INFO.embedder, "tutor")
    assert embedder.model_extra == {
        "kind": "embedding",
        "revision": INFO.revision,
        "dimensions": INFO.dimensions,
        "languages": list(INFO.languages),
        "max_tokens": INFO.max_tokens,
    }


async def test_chat_completion_whole(chat: Any) -> None:
    reply = await chat.chat.completions.create(model="tutor", messages=MESSAGES, max_tokens=32)

    assert reply.choices[0].message.content == ANSWER
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.completion_tokens == 7


async def test_chat_completion_streamed(chat: Any, fake_openai: FakeServer) -> None:
    stream = await chat.chat.completions.create(
        model="tutor", messages=MESSAGES, stream=True, stream_options={"include_usage": True}, stop=["##"], seed=3
    )
    chunks = [chunk async for chunk in stream]

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ANSWER
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].usage.completion_tokens == 7
    assert len({chunk.id for chunk in chunks}) == 1
    (sent,) = fake_openai.generations()
    assert (sent.body["model"], sent.body["stop"], sent.body["seed"]) == ("tutor", ["##"], 3)


async def test_a_fault_in_the_stream_reaches_the_client_after_the_good_pieces(
    chat: Any, fake_openai: FakeServer
) -> None:
    fake_openai.behave("cut")
    stream = await chat.chat.completions.create(model="tutor", messages=MESSAGES, stream=True)

    text = ""
    with pytest.raises(openai.APIError) as caught:
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""

    assert text == "The moon is"
    assert caught.value.code == "upstream_broken"


async def test_errors_have_their_classes_and_stable_codes(chat: Any, embedding: Any, fake_openai: FakeServer) -> None:
    fake_openai.behave("overloaded")
    with pytest.raises(openai.RateLimitError) as overloaded:
        await chat.chat.completions.create(model="tutor", messages=MESSAGES)
    with pytest.raises(openai.NotFoundError) as unknown:
        await chat.chat.completions.create(model="gpt-9", messages=MESSAGES)
    with pytest.raises(openai.AuthenticationError) as refused:
        await embedding.chat.completions.create(model="tutor", messages=MESSAGES)

    assert overloaded.value.code == "upstream_overloaded"
    assert overloaded.value.response.headers["retry-after"] == "7"
    assert (unknown.value.code, refused.value.code) == ("model_not_found", "invalid_token")


TOOL: Any = {
    "type": "function",
    "function": {"name": "distance", "parameters": {"type": "object", "properties": {"body": {"type": "string"}}}},
}


async def test_a_raw_prompt_whole_and_streamed(chat: Any, fake_openai: FakeServer) -> None:
    prompt = MESSAGES[0]["content"]
    whole = await chat.completions.create(model="tutor", prompt=prompt, max_tokens=32)
    stream = await chat.completions.create(
        model="tutor", prompt=prompt, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == ANSWER
    assert (whole.choices[0].finish_reason, whole.usage.completion_tokens) == ("stop", 7)
    assert chunks[-1].usage.completion_tokens == 7
    assert [sent.body["prompt"] for sent in fake_openai.generations()] == [prompt, prompt]


async def test_a_raw_prompt_that_breaks_off(chat: Any, fake_openai: FakeServer) -> None:
    fake_openai.behave("broken_json")
    stream = await chat.completions.create(model="tutor", prompt=MESSAGES[0]["content"], stream=True)

    text = ""
    with pytest.raises(openai.APIError) as caught:
        async for chunk in stream:
            text += chunk.choices[0].text

    assert (text, caught.value.code) == ("The moon is", "upstream_broken")


async def test_tools_reach_the_server_as_they_came(chat: Any, fake_openai: FakeServer) -> None:
    await chat.chat.completions.create(model="tutor", messages=MESSAGES, tools=[TOOL], tool_choice="required")

    (sent,) = fake_openai.generations()
    assert (sent.body["tools"], sent.body["tool_choice"]) == ([TOOL], "required")


async def test_the_facts_are_in_the_headers(chat: Any) -> None:
    reply = await chat.chat.completions.with_raw_response.create(model="tutor", messages=MESSAGES)

    assert reply.headers["x-lyceum-model"]
    assert (reply.headers["x-lyceum-degraded"], reply.headers["x-lyceum-cache"]) == ("false", "bypass")
