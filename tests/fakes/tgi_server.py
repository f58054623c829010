"""A fake of Text Generation Inference 3: `/generate_stream`, chats with tools, both tokenisers, `/info` and `/health`.

As in TGI's router, an error of a generation that streams is an event, not a status.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fakes.behaviours import CALL_ARGUMENTS, CALL_ID, NO_STATUS, Plan, called_tool, plan_for
from tests.fakes.prompts import read_prompt
from tests.fakes.server import Cut, Exchange, FakeServer, serving

_WORD = re.compile(r"\S+\s*")
BEGINNING = "<|begin_of_text|>"
MODEL = "fake/7b-instruct"

_ERRORS = {
    429: {"error": "Model is overloaded", "error_type": "overloaded"},
    422: {"error": "Input validation error: `inputs` must have less than 4096 tokens", "error_type": "validation"},
}


@contextmanager
def tgi_server(*, chat_template: bool = True) -> Iterator[FakeServer]:
    """Run the fake; without a chat template `/chat_tokenize` answers as TGI does for a base model."""

    async def answer(fake: FakeServer, exchange: Exchange) -> None:
        path = exchange.received.path
        if path == "/generate_stream":
            await _generate(fake, exchange)
        elif path == "/v1/chat/completions":
            await _call(fake, exchange)
        elif path == "/tokenize":
            await exchange.json(_tokens(exchange.received.body["inputs"]))
        elif path == "/chat_tokenize":
            await _tokenize(exchange, chat_template)
        elif path == "/info":
            await exchange.json({"model_id": MODEL, "max_input_tokens": 4095, "max_total_tokens": 4096})
        elif path == "/health":
            await exchange.json({})
        else:
            await exchange.json({"error": "not found"}, 404)

    with serving(answer) as fake:
        yield fake


async def _tokenize(exchange: Exchange, chat_template: bool) -> None:
    if not chat_template:
        error = {"error": "Template error: template not found", "error_type": "template_error"}
        await exchange.json(error, 422)
        return
    turns = [
        f"<|start|>{message['role']}\n\n{message['content']}<|end|>" for message in exchange.received.body["messages"]
    ]
    templated = BEGINNING + "".join(turns) + "<|start|>assistant\n\n"
    await exchange.json({"tokenize_response": _tokens(templated), "templated_text": templated})


def _tokens(text: str) -> list[dict[str, Any]]:
    """Return a token a word."""
    return [
        {"id": 1000 + number, "text": match[0], "start": match.start(), "stop": match.end()}
        for number, match in enumerate(_WORD.finditer(text))
    ]


async def _call(fake: FakeServer, exchange: Exchange) -> None:
    """Stream the call of a tool: TGI sends the whole head with the first piece, and ends with `stop`."""
    body = exchange.received.body
    plan = plan_for(fake.next_behaviour(), read_prompt(""))
    if plan.status != 200:
        await exchange.json(_ERRORS.get(plan.status, {"error": "unhealthy", "error_type": "healthcheck"}), plan.status)
        return
    tool = called_tool(body)
    await exchange.start(200, "text/event-stream")
    for number, text in enumerate((CALL_ARGUMENTS[:7], CALL_ARGUMENTS[7:])):
        function = {"name": tool if number == 0 else None, "arguments": text}
        call = {"index": 0, "id": CALL_ID, "type": "function", "function": function}
        await exchange.write(_event(_chat_chunk({"role": "assistant", "tool_calls": [call]})))
    if plan.ending == "finish":
        await exchange.write(_event(_chat_chunk({"role": "assistant", "content": ""}, "stop")))
        usage = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
        await exchange.write(_event({**_chat_chunk({}), "choices": [], "usage": usage}))
        await exchange.write(b"data: [DONE]\n\n")
    await _fault(exchange, plan)
    await exchange.end()


def _chat_chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    head = {"id": "", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": MODEL}
    return {**head, "system_fingerprint": "3.3.7-native", "choices": [choice], "usage": None}


async def _generate(fake: FakeServer, exchange: Exchange) -> None:
    prompt = exchange.received.body["inputs"]
    plan = plan_for(fake.next_behaviour(), read_prompt(prompt))
    if plan.status == NO_STATUS:
        await asyncio.Event().wait()  # until the client leaves
    if plan.status in (500, 503):
        await exchange.json({"error": "unhealthy", "error_type": "healthcheck"}, plan.status)
        return
    await exchange.start(200, "text/event-stream")
    if plan.status != 200:
        await exchange.write(_event(_ERRORS[plan.status]))
        await exchange.end()
        return
    for index, piece in enumerate(plan.pieces, start=1):
        await asyncio.sleep(fake.seconds_per_piece)
        await exchange.write(_event(_token(index, piece)))
    if plan.ending == "finish":
        await exchange.write(_event(_last_token(plan, prompt)))
    await _fault(exchange, plan)
    await exchange.end()


async def _fault(exchange: Exchange, plan: Plan) -> None:
    if plan.ending == "cut":
        raise Cut
    if plan.ending == "stall":
        await asyncio.Event().wait()  # until the client leaves
    elif plan.ending == "broken_json":
        await exchange.write(b'data:{"index":4,"token":{"id":12,"te\n\n')
    elif plan.ending == "error_event":
        await exchange.write(_event({"error": "Request failed during generation: CUDA", "error_type": "generation"}))
    elif plan.ending == "not_text":
        await exchange.write(_event(_token(4, {"parts": [1, 2]})))


def _token(index: int, text: Any, special: bool = False) -> dict[str, Any]:
    token = {"id": 1000 + index, "text": text, "logprob": -0.25, "special": special}
    return {"index": index, "token": token, "generated_text": None, "details": None}


def _last_token(plan: Plan, prompt: str) -> dict[str, Any]:
    details = {
        "finish_reason": "eos_token",
        "generated_tokens": len(plan.pieces),
        "seed": None,
        "input_length": len(prompt.split()),
    }
    last = _token(len(plan.pieces) + 1, "<|end|>", special=True)
    return {**last, "generated_text": "".join(plan.pieces), "details": details}


def _event(content: dict[str, Any]) -> bytes:
    return b"data:" + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"
