"""Calls of tools through the unmodified `openai` client, whichever server makes them."""

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from inference_gateway.contract import GENERATE_PURPOSE
from tests import models
from tests.contract.gateway.conftest import DEADLINES
from tests.fakes.behaviours import CALL_ARGUMENTS, CALL_ID
from tests.fakes.openai_server import openai_server
from tests.fakes.server import FakeServer
from tests.fakes.tgi_server import tgi_server
from tests.gateways import RunningGateway, running_gateway
from tests.models import TOOLS_TEMPLATE
from tests.processes import until

small_llama = models.small_llama

MESSAGES: Any = [{"role": "user", "content": "[1] The moon is far.\n\nQuestion: How far is the moon?"}]
DISTANCE: Any = {
    "type": "function",
    "function": {"name": "distance", "parameters": {"type": "object", "properties": {"body": {"type": "string"}}}},
}
PLAIN: Any = {"type": "function", "function": {"name": "now"}}


@pytest.fixture(params=["openai", "tgi"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, FakeServer]]:
    with openai_server() if request.param == "openai" else tgi_server() as fake:
        yield request.param, fake


@pytest.fixture
async def chat(server: tuple[str, FakeServer]) -> AsyncIterator[Any]:
    api: Any = server[0]
    with running_gateway(generation_url=server[1].url, generation_api=api, deadlines=DEADLINES) as gateway:
        token = gateway.token(GENERATE_PURPOSE)
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=token, max_retries=0) as client:
            yield client.chat.completions


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "now"}}])
async def test_a_call_comes_whole(chat: Any, choice: Any, server: tuple[str, FakeServer]) -> None:
    reply = await chat.create(model="tutor", messages=MESSAGES, tools=[DISTANCE, PLAIN], tool_choice=choice)

    (call,) = reply.choices[0].message.tool_calls
    wanted = "now" if isinstance(choice, dict) else "distance"
    assert (call.id, call.type, call.function.name, call.function.arguments) == (
        CALL_ID,
        "function",
        wanted,
        CALL_ARGUMENTS,
    )
    assert reply.choices[0].message.content is None
    assert reply.choices[0].finish_reason == "tool_calls"
    assert reply.usage.completion_tokens > 0
    sent = server[1].received[-1].body
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["distance", "now"]
    assert sent["tool_choice"] == choice
    if server[0] == "tgi":
        assert sent["model"] == "tgi"
        assert all("parameters" in tool["function"] for tool in sent["tools"])


async def test_a_call_comes_in_pieces(chat: Any) -> None:
    stream = await chat.create(
        model="tutor", messages=MESSAGES, tools=[DISTANCE], stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    calls = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
    assert next(call.id for call in calls if call.id) == CALL_ID
    assert [call.function.name for call in calls if call.function.name] == ["distance"]
    assert "".join(call.function.arguments or "" for call in calls) == CALL_ARGUMENTS
    assert len(calls) > 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["tool_calls"]
    assert chunks[-1].usage.completion_tokens > 0


async def test_tools_that_may_not_be_called_are_not(chat: Any) -> None:
    reply = await chat.create(model="tutor", messages=MESSAGES, tools=[DISTANCE], tool_choice="none")

    assert reply.choices[0].message.tool_calls is None
    assert reply.choices[0].message.content == "The moon is far [1]."


async def test_an_answer_to_a_call_is_passed_on(chat: Any, server: tuple[str, FakeServer]) -> None:
    call = {"id": CALL_ID, "type": "function", "function": {"name": "distance", "arguments": CALL_ARGUMENTS}}
    messages = [
        *MESSAGES,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": CALL_ID, "content": "384400 km"},
    ]

    await chat.create(model="tutor", messages=messages, tools=[DISTANCE])

    sent = server[1].received[-1].body["messages"]
    assert sent[1]["tool_calls"] == [call]
    assert (sent[2]["role"], sent[2]["tool_call_id"], sent[2]["content"]) == ("tool", CALL_ID, "384400 km")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "/tools/0/function/name"),
        ({"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": 1}}}]}, "/tools/0/function"),
        ({"tools": [DISTANCE, DISTANCE]}, "/tools/1/function/name"),
        ({"tools": [{"type": "retrieval"}]}, "/tools/0"),
        ({"tool_choice": "required"}, "/tool_choice"),
        (
            {"tools": [DISTANCE], "tool_choice": {"type": "function", "function": {"name": "b"}}},
            "/tool_choice/function",
        ),
    ],
)
async def test_a_malformed_tool_is_422_with_its_place(
    chat: Any, server: tuple[str, FakeServer], fields: Any, place: str
) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await chat.create(model="tutor", messages=MESSAGES, **fields)

    assert refused.value.code == "invalid_request"
    assert str(refused.value.param).startswith(place)
    assert server[1].received == []


@pytest.mark.parametrize(
    ("behaviour", "kind"), [("overloaded", openai.RateLimitError), ("failing", openai.APIStatusError)]
)
async def test_faults_of_a_server_that_would_call_have_their_names(
    chat: Any, server: tuple[str, FakeServer], behaviour: Any, kind: type[openai.APIStatusError]
) -> None:
    server[1].always(behaviour)

    with pytest.raises(kind):
        await chat.create(model="tutor", messages=MESSAGES, tools=[DISTANCE])


@pytest.fixture(scope="module")
def embedded(small_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """The engine of this process, with a template that knows tools."""
    folder = tmp_path_factory.mktemp("models") / "calling-llama"
    shutil.copytree(small_llama, folder)
    (folder / "chat_template.jinja").write_text(TOOLS_TEMPLATE)
    with running_gateway(model=str(folder)) as gateway:
        until(lambda: httpx.get(f"{gateway.url}/health/ready").status_code == 200, 30)
        yield gateway


async def test_the_embedded_engine_calls_whole_and_in_pieces(embedded: RunningGateway) -> None:
    token = embedded.token(GENERATE_PURPOSE)
    parameters = {
        "type": "object",
        "properties": {"body": {"enum": ["moon", "sun"]}},
        "required": ["body"],
        "additionalProperties": False,
    }
    wanted: Any = {
        "model": "",
        "messages": MESSAGES,
        "tools": [{"type": "function", "function": {"name": "distance", "parameters": parameters}}, PLAIN],
        "tool_choice": {"type": "function", "function": {"name": "distance"}},
        "temperature": 0,
    }
    async with openai.AsyncOpenAI(base_url=f"{embedded.url}/v1", api_key=token, max_retries=0) as client:
        whole = await client.chat.completions.create(**wanted)
        stream = await client.chat.completions.create(**wanted, stream=True)
        chunks = [chunk async for chunk in stream]

    (call,) = whole.choices[0].message.tool_calls
    pieces = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
    assert call.function.name == pieces[0].function.name == "distance"
    assert json.loads(call.function.arguments)["body"] in ("moon", "sun")
    assert "".join(piece.function.arguments or "" for piece in pieces) == call.function.arguments
    assert whole.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_a_model_that_knows_no_tools_is_422_with_the_place(small_llama: Path) -> None:
    with running_gateway(model=str(small_llama)) as gateway:
        until(lambda: httpx.get(f"{gateway.url}/health/ready").status_code == 200, 30)
        token = gateway.token(GENERATE_PURPOSE)
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=token, max_retries=0) as client:
            with pytest.raises(openai.UnprocessableEntityError) as refused:
                await client.chat.completions.create(model="", messages=MESSAGES, tools=[DISTANCE])

    assert refused.value.param == "/tools"
