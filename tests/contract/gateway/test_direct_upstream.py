"""The direct upstream gives what the one over `huggingface_hub` gives, whatever the server does."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import get_args

import msgspec
import pytest

from inference_gateway.contract import ChatDelta, ChatMessage, ChatRequest, Function, Tool
from inference_gateway.errors import GatewayError, UpstreamTimeout
from inference_gateway.upstreams.chunks import whole_of
from inference_gateway.upstreams.deadlines import with_deadlines
from inference_gateway.upstreams.direct import MAX_WHOLE_TOKENS, DirectUpstream
from inference_gateway.upstreams.openai import OpenAIUpstream
from inference_gateway.upstreams.protocol import Upstream
from inference_gateway.upstreams.transport import Connections
from tests.contract.gateway.conftest import API_KEY, DEADLINES
from tests.contract.gateway.test_upstreams import REQUEST
from tests.fakes.behaviours import Behaviour
from tests.fakes.server import FakeServer

Told = tuple[type[GatewayError], int | None]


@pytest.fixture
async def both(fake_openai: FakeServer) -> AsyncIterator[tuple[Upstream, Upstream]]:
    """The upstream over `huggingface_hub`, and the direct one."""
    connections = [Connections(fake_openai.url, API_KEY, DEADLINES.connect_seconds) for _ in range(2)]
    reference = OpenAIUpstream(connections[0], "tutor")
    direct = DirectUpstream(connections[1], "tutor", DEADLINES.connect_seconds)
    yield reference, direct
    await reference.close()
    await direct.close()


async def outcome(upstream: Upstream, request: ChatRequest) -> tuple[list[ChatDelta], Told | None]:
    deltas: list[ChatDelta] = []
    try:
        async with aclosing(with_deadlines(upstream.stream(request), DEADLINES)) as stream:
            async for delta in stream:
                deltas += [delta]
    except GatewayError as error:
        return deltas, (type(error), error.retry_after_seconds)
    return deltas, None


def in_one(deltas: list[ChatDelta]) -> dict[str, object]:
    """What came, however it was cut: the direct upstream puts pieces together that come together."""
    return {
        "text": "".join(one.text for one in deltas),
        "calls": [call for one in deltas for call in one.tool_calls],
        "reason": [one.finish_reason for one in deltas if one.finish_reason],
        "usage": [one.usage for one in deltas if one.usage],
        "models": {one.model for one in deltas},
        "pieces": sum(one.pieces for one in deltas if one.text or one.tool_calls),
    }


@pytest.mark.parametrize("behaviour", get_args(Behaviour))
async def test_the_same_answer_and_the_same_error(
    both: tuple[Upstream, Upstream], fake_openai: FakeServer, behaviour: Behaviour
) -> None:
    fake_openai.always(behaviour)

    reference, direct = [await outcome(upstream, REQUEST) for upstream in both]

    assert (in_one(direct[0]), direct[1]) == (in_one(reference[0]), reference[1])
    assert reference[0] or reference[1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"top_p": 0.5, "seed": None, "stop": ()},
        {"json_schema": {"type": "object"}},
        {"tools": (Tool(function=Function(name="look_up", parameters={"type": "object"})),)},
        {"messages": (ChatMessage(role="user", content="ما هي \u2028 المشتقة؟"),)},
    ],
)
async def test_the_same_request_is_sent(
    both: tuple[Upstream, Upstream], fake_openai: FakeServer, changes: dict[str, object]
) -> None:
    request = msgspec.structs.replace(REQUEST, **changes)

    for upstream in both:
        await outcome(upstream, request)

    first, second = fake_openai.generations()
    assert second.body == first.body
    assert second.headers["authorization"] == first.headers["authorization"]


async def test_a_whole_answer_has_the_same_text_pieces_and_usage(both: tuple[Upstream, Upstream]) -> None:
    (reference, _), (direct, _) = [
        await outcome(upstream, msgspec.structs.replace(REQUEST, whole=True)) for upstream in both
    ]

    assert "".join(one.text for one in direct) == "".join(one.text for one in reference)
    assert sum(one.pieces for one in direct if one.text) == sum(one.pieces for one in reference if one.text)
    assert [one.usage for one in direct if one.usage] == [one.usage for one in reference if one.usage]
    assert [one.finish_reason for one in direct if one.finish_reason] == ["stop"]


@pytest.mark.parametrize("behaviour", [one for one in get_args(Behaviour) if one != "stall_after_sentence"])
async def test_a_short_whole_answer_ends_as_a_streamed_one_does(
    both: tuple[Upstream, Upstream], fake_openai: FakeServer, behaviour: Behaviour
) -> None:
    fake_openai.always(behaviour)

    streamed, streamed_error = await outcome(both[0], REQUEST)
    whole, error = await outcome(both[1], msgspec.structs.replace(REQUEST, whole=True))

    assert error == streamed_error
    assert "stream_options" not in fake_openai.generations()[-1].body
    if error is not None:
        assert not whole
        return
    (answer,) = whole
    assert answer.text == "".join(one.text for one in streamed)
    assert answer.finish_reason == next((one.finish_reason for one in streamed if one.finish_reason), None)
    if behaviour != "ends_without_reason":
        assert answer.usage == streamed[-1].usage


async def test_calls_of_a_whole_answer_are_read_in_their_order() -> None:
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": "f", "arguments": str(number)}}
        for number in (1, 2)
    ]
    answer = {
        "model": "m",
        "choices": [{"message": {"content": None, "tool_calls": calls}, "finish_reason": "tool_calls"}],
    }

    delta = whole_of(msgspec.json.encode(answer), "other")

    assert [(one.index, one.id, one.arguments) for one in delta.tool_calls] == [(0, "call_1", "1"), (1, "call_2", "2")]
    assert (delta.text, delta.finish_reason, delta.model, delta.usage, delta.pieces) == ("", "tool_calls", "m", None, 1)


@pytest.mark.parametrize("behaviour", ["cut", "broken_json", "error_event", "stall"])
async def test_what_came_before_a_fault_is_counted_of_a_long_whole_answer(
    both: tuple[Upstream, Upstream], fake_openai: FakeServer, behaviour: Behaviour
) -> None:
    fake_openai.always(behaviour)

    deltas, error = await outcome(
        both[1], msgspec.structs.replace(REQUEST, whole=True, max_tokens=MAX_WHOLE_TOKENS + 1)
    )

    assert "".join(one.text for one in deltas) == "Support vector machines"
    assert sum(one.pieces for one in deltas if one.text) == 3
    assert error is not None
    assert (error[0] is UpstreamTimeout) == (behaviour == "stall")
