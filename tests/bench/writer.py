"""`python -m tests.bench.writer PORT`: a generation server that writes long answers slowly and remembers when it wrote what.

It speaks what an OpenAI-compatible server streams. An answer is made of the passages' own sentences, so that the product's
check lets all of them through. `GET /written` tells for each question its sentences, each with the moment (seconds of the
system's monotonic clock) from which a reader of the stream could be certain of it.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from tests.fakes.openai_server import CREATED, MODEL
from tests.fakes.prompts import Prompt, read_prompt

SENTENCES = 14
SECONDS_PER_SENTENCE = 3.0
MIN_CHARACTERS, MAX_CHARACTERS = 40, 300

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_written: dict[str, list[tuple[str, float]]] = {}


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer the three paths that are asked for."""
    body = await _body(receive)
    if scope["path"] == "/v1/chat/completions":
        await _write(read_prompt("\n\n".join(message["content"] for message in json.loads(body)["messages"])), send)
        return
    listing = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": CREATED}]}
    await _start(send, "application/json")
    content = _written if scope["path"] == "/written" else listing
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


async def _write(prompt: Prompt, send: Send) -> None:
    await _start(send, "text/event-stream")
    fitting = [one for one in prompt.sentences() if MIN_CHARACTERS <= len(one.text) <= MAX_CHARACTERS][:SENTENCES]
    written = _written.setdefault(prompt.question, [])
    before = ""
    for sentence in fitting:
        text = f"{sentence.text} [{sentence.number}]. "
        half = len(sentence.text) // 2
        await _piece(send, {"content": text[:half]})
        # A sentence is certain once the next one has begun: its marker may still follow its full stop.
        if before:
            written.append((before, time.monotonic()))
        before = sentence.text
        await asyncio.sleep(SECONDS_PER_SENTENCE / 2)
        await _piece(send, {"content": text[half:]})
        await asyncio.sleep(SECONDS_PER_SENTENCE / 2)
    written.append((before, time.monotonic()))
    await _piece(send, {}, "stop")
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def _piece(send: Send, delta: dict[str, str], finish_reason: str | None = None) -> None:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    chunk = {"id": "bench", "object": "chat.completion.chunk", "created": CREATED, "model": MODEL, "choices": [choice]}
    data = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _start(send: Send, content_type: str) -> None:
    headers = [(b"content-type", content_type.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _body(receive: Receive) -> bytes:
    content = b""
    while True:
        message = await receive()
        content += message.get("body", b"")
        if not message.get("more_body"):
            return content


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), lifespan="off", log_config=None, access_log=False)
