"""The unmodified `huggingface_hub` client against the gateway's own wire."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import GenerationError, OverloadedError, ValidationError

from inference_gateway.contract import GENERATE_PURPOSE
from tests.fakes.server import FakeServer
from tests.gateways import RunningGateway

PROMPT = "[1] The moon is 384400 km away.\n\nQuestion: How far is the moon?"
ANSWER = "The moon is 384400 km away [1]."
SCHEMA = {"type": "object", "properties": {"km": {"type": "integer"}}}
MESSAGES = [{"role": "user", "content": PROMPT}]


@pytest.fixture
async def hub(gateway: RunningGateway) -> AsyncIterator[Any]:
    async with AsyncInferenceClient(base_url=gateway.url, token=gateway.token(GENERATE_PURPOSE)) as client:
        yield client


def refused(gateway: RunningGateway, path: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{gateway.url}{path}", json=body, headers=gateway.headers(GENERATE_PURPOSE))


async def test_chat_completion_whole_and_streamed_without_a_model_name(hub: Any) -> None:
    whole = await hub.chat_completion(MESSAGES, max_tokens=32)
    stream = await hub.chat_completion(MESSAGES, max_tokens=32, stream=True)
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert whole.choices[0].message.content == "".join(pieces) == ANSWER


async def test_a_schema_that_the_client_rewrites_is_understood(hub: Any, fake_openai: FakeServer) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}

    await hub.chat_completion(MESSAGES, response_format=wanted)

    (sent,) = fake_openai.generations()
    assert sent.body["response_format"]["json_schema"]["schema"] == SCHEMA


async def test_the_endpoint_tells_about_itself(gateway: RunningGateway) -> None:
    async with AsyncInferenceClient(
        gateway.url, provider="hf-inference", token=gateway.token(GENERATE_PURPOSE)
    ) as client:
        assert (await client.get_endpoint_info())["model_id"] == "tutor"
        assert await client.health_check()


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"grammar": {"type": "regex", "value": "a+"}}, "regex"),
        ({"grammar": {"type": "json", "value": {"type": "nonsense"}}}, "no type of JSON"),
        ({"best_of": 2}, "best_of"),
        ({"colour": 1}, "colour"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/generate", "/generate_stream"])
def test_what_is_not_served_is_refused_by_name_in_the_shape_of_tgi(
    gateway: RunningGateway, path: str, parameters: dict[str, Any], pointer: str
) -> None:
    reply = refused(gateway, path, {"inputs": "x", "parameters": parameters})

    assert (reply.status_code, reply.json()["error_type"], reply.json()["code"]) == (
        422,
        "validation",
        "invalid_request",
    )
    assert pointer in reply.json()["error"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "/tools/0/function/name"),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "text"}}}]},
            "/tools/0/function/parameters/type",
        ),
        ({"tool_choice": "required"}, "/tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "b"}}}, "/tool_choice/function/name"),
    ],
)
def test_a_malformed_tool_is_422_with_its_place(gateway: RunningGateway, fields: dict[str, Any], param: str) -> None:
    reply = refused(gateway, "/v1/chat/completions", {"messages": MESSAGES, **fields})

    assert (reply.status_code, reply.json()["error"]["param"]) == (422, param)


async def test_text_generation_whole_with_details(hub: Any) -> None:
    text = await hub.text_generation(PROMPT, max_new_tokens=32, return_full_text=True)
    detailed = await hub.text_generation(PROMPT, max_new_tokens=32, details=True, seed=3)

    assert text == PROMPT + ANSWER
    assert detailed.generated_text == ANSWER
    details = detailed.details
    assert (details.finish_reason, details.generated_tokens, details.seed) == ("eos_token", 7, 3)


def test_the_synchronous_client_gets_the_same(gateway: RunningGateway) -> None:
    client = InferenceClient(gateway.url, token=gateway.token(GENERATE_PURPOSE))

    chat = client.chat_completion(MESSAGES, max_tokens=32)
    chunks = list(client.chat_completion(MESSAGES, max_tokens=32, stream=True))
    text = client.text_generation(PROMPT, max_new_tokens=32)
    pieces = list(client.text_generation(PROMPT, max_new_tokens=32, stream=True))
    with pytest.raises(ValidationError):
        client.text_generation("x", best_of=2)

    assert chat.choices[0].message.content == text == "".join(pieces) == ANSWER
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ANSWER


async def test_text_generation_streamed(hub: Any, fake_openai: FakeServer) -> None:
    plain = [piece async for piece in await hub.text_generation(PROMPT, stream=True, stop=["##"])]
    detailed = [piece async for piece in await hub.text_generation(PROMPT, stream=True, details=True)]

    assert "".join(plain) == "".join(piece.token.text for piece in detailed) == ANSWER
    assert len(plain) == 7
    assert detailed[-1].generated_text == ANSWER
    assert (detailed[-1].details.generated_tokens, detailed[-1].details.finish_reason) == (7, "eos_token")
    sent = fake_openai.generations()[0]
    assert (sent.path, sent.body["prompt"], sent.body["stop"]) == ("/v1/completions", PROMPT, ["##"])
    assert sent.body["temperature"] == 0


async def test_a_fault_in_the_stream_is_raised_after_the_good_pieces(hub: Any, fake_openai: FakeServer) -> None:
    fake_openai.behave("cut")

    text = ""
    with pytest.raises(GenerationError):
        async for piece in await hub.text_generation(PROMPT, stream=True):
            text += piece

    assert text == "The moon is"


async def test_errors_of_a_generation_are_the_clients_own(hub: Any, fake_openai: FakeServer) -> None:
    fake_openai.behave("overloaded")
    with pytest.raises(OverloadedError):
        await hub.text_generation(PROMPT)
    with pytest.raises(ValidationError):
        await hub.text_generation("x", best_of=2)
