"""A fake of an OpenAI-compatible server such as vLLM: chat completions, whole and streamed, models and health."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fakes.behaviours import CALL_ARGUMENTS, CALL_ID, NO_STATUS, RETRY_AFTER_SECONDS, Plan, called_tool, plan_for
from tests.fakes.prompts import read_prompt
from tests.fakes.server import Cut, Exchange, FakeServer, serving

MODEL = "fake-7b-instruct"
COMPLETION_ID = "chatcmpl-0123456789abcdef"
CREATED = 1_790_000_000

_ERRORS = {
    500: {"message": "Internal server error", "type": "server_error", "param": None, "code": None},
    429: {"message": "Rate limit reached", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"},
    503: {"message": "The engine is not ready", "type": "server_error", "param": None, "code": None},
    422: {"message": "maximum context length", "type": "invalid_request_error", "param": "messages", "code": 422},
}


@contextmanager
def openai_server() -> Iterator[FakeServer]:
    """Run the fake."""
    with serving(_answer) as fake:
        yield fake


async def _answer(fake: FakeServer, exchange: Exchange) -> None:
    path = exchange.received.path
    if path == "/v1/chat/completions":
        await _complete(fake, exchange)
    elif path == "/v1/completions":
        await _continue(fake, exchange)
    elif path == "/v1/models":
        await exchange.json({"object": "list", "data": [{"id": MODEL, "object": "model", "created": CREATED}]})
    elif path == "/health":
        await exchange.json({})
    else:
        await exchange.json({"detail": "Not Found"}, 404)


async def _complete(fake: FakeServer, exchange: Exchange) -> None:
    body = exchange.received.body
    prompt = "\n\n".join(message["content"] for message in body["messages"])
    plan = plan_for(fake.next_behaviour(), read_prompt(prompt))
    if plan.status == NO_STATUS:
        await asyncio.Event().wait()  # until the client leaves
    if plan.status != 200:
        headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if plan.status == 429 else {}
        await exchange.json({"error": _ERRORS[plan.status]}, plan.status, headers)
    elif body.get("stream"):
        await _stream(fake, exchange, plan, prompt)
    else:
        await _answer_whole(exchange, plan, prompt)


async def _answer_whole(exchange: Exchange, plan: Plan, prompt: str) -> None:
    answer = _whole(plan, prompt)
    if (tool := called_tool(exchange.received.body)) is not None:
        call = {"id": CALL_ID, "type": "function", "function": {"name": tool, "arguments": CALL_ARGUMENTS}}
        answer["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
    if plan.ending == "error_event":
        await exchange.json({"error": {"message": "CUDA error", "type": "server_error", "code": 500}})
    elif plan.ending in ("finish", "ends_without_reason", "not_text"):
        if plan.ending == "not_text":
            answer["choices"][0]["message"]["content"] = {"parts": [1, 2]}
        reason = "stop" if tool is None else "tool_calls"
        answer["choices"][0]["finish_reason"] = None if plan.ending == "ends_without_reason" else reason
        await exchange.json(answer)
    else:
        content = json.dumps(answer).encode()
        await exchange.start(200, "application/json")
        await exchange.write(content[: len(content) // 2])
        if plan.ending == "cut":
            raise Cut
        if plan.ending == "stall":
            await asyncio.Event().wait()  # until the client leaves
        await exchange.end()


async def _stream(fake: FakeServer, exchange: Exchange, plan: Plan, prompt: str) -> None:
    await exchange.start(200, "text/event-stream; charset=utf-8")
    if plan.pieces or plan.ending == "finish":
        await exchange.write(_event(_chunk({"role": "assistant", "content": ""})))
    tool = called_tool(exchange.received.body) if plan.ending == "finish" else None
    for delta in [{"content": piece} for piece in plan.pieces] if tool is None else _call_deltas(tool):
        await asyncio.sleep(fake.seconds_per_piece)
        await exchange.write(_event(_chunk(delta)))
    if plan.ending == "finish":
        await exchange.write(_event(_chunk({}, "stop" if tool is None else "tool_calls")))
        if exchange.received.body.get("stream_options", {}).get("include_usage"):
            await exchange.write(_event({**_chunk({}), "choices": [], "usage": _usage(plan, prompt)}))
        await exchange.write(b"data: [DONE]\n\n")
    await _fault(exchange, plan)
    await exchange.end()


async def _continue(fake: FakeServer, exchange: Exchange) -> None:
    """Raw text continued, as vLLM streams it: the reason comes with an empty text, the usage in a chunk of its own."""
    prompt = exchange.received.body["prompt"]
    plan = plan_for(fake.next_behaviour(), read_prompt(prompt))
    if plan.status != 200:
        headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if plan.status == 429 else {}
        await exchange.json({"error": _ERRORS[plan.status]}, plan.status, headers)
        return
    await exchange.start(200, "text/event-stream; charset=utf-8")
    for piece in plan.pieces:
        await asyncio.sleep(fake.seconds_per_piece)
        await exchange.write(_event(_text_chunk(piece)))
    if plan.ending == "finish":
        await exchange.write(_event(_text_chunk("", "stop")))
        await exchange.write(_event({**_text_chunk(""), "choices": [], "usage": _usage(plan, prompt)}))
        await exchange.write(b"data: [DONE]\n\n")
    await _fault(exchange, plan)
    await exchange.end()


def _text_chunk(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}
    head = {"id": "cmpl-0123456789abcdef", "object": "text_completion", "created": CREATED, "model": MODEL}
    return {**head, "choices": [choice]}


async def _fault(exchange: Exchange, plan: Plan) -> None:
    if plan.ending == "cut":
        raise Cut
    if plan.ending == "stall":
        await asyncio.Event().wait()  # until the client leaves
    elif plan.ending == "broken_json":
        await exchange.write(b'data: {"id": "chatcmpl-0123", "choices": [{"index": 0, "del\n\n')
    elif plan.ending == "error_event":
        await exchange.write(_event({"error": {"message": "CUDA error", "type": "server_error", "code": 500}}))
    elif plan.ending == "not_text":
        await exchange.write(_event(_chunk({"content": {"parts": [1, 2]}})))


def _call_deltas(tool: str) -> list[dict[str, Any]]:
    """Return a call in pieces, as vLLM streams one."""
    head = {"index": 0, "id": CALL_ID, "type": "function", "function": {"name": tool, "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": text}} for text in (CALL_ARGUMENTS[:7], CALL_ARGUMENTS[7:])]
    return [{"tool_calls": [piece]} for piece in (head, *pieces)]


def _whole(plan: Plan, prompt: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(plan.pieces)}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    head = {"id": COMPLETION_ID, "object": "chat.completion", "created": CREATED, "model": MODEL}
    return {**head, "choices": choices, "usage": _usage(plan, prompt)}


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    head = {"id": COMPLETION_ID, "object": "chat.completion.chunk", "created": CREATED, "model": MODEL}
    return {**head, "choices": [choice]}


def _usage(plan: Plan, prompt: str) -> dict[str, int]:
    words, pieces = len(prompt.split()), len(plan.pieces)
    return {"prompt_tokens": words, "completion_tokens": pieces, "total_tokens": words + pieces}


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"
