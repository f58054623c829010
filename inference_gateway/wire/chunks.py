"""OpenAI's answers to a chat completion: the whole one, and the events of a streamed one."""

import time
from typing import Any

import msgspec

from inference_gateway.contract import ChatDelta, FinishReason, Usage
from ops.runtime.ids import new_id


class Chunks:
    """Events of one streamed completion, which share an id, a time and a model."""

    def __init__(self, model: str) -> None:
        self._common = {**_head("chat.completion.chunk"), "model": model}

    def opening(self) -> bytes:
        """Return the event that names the role."""
        return self._event({"role": "assistant", "content": ""}, None)

    def of(self, delta: ChatDelta) -> bytes:
        """Return the event of one piece."""
        return self._event({"content": delta.text} if delta.text else {}, delta.finish_reason)

    def closing(self, usage: Usage) -> bytes:
        """Return the event that follows the last piece when the client asked for usage."""
        return data_event({**self._common, "choices": [], "usage": _usage(usage)})

    def _event(self, delta: dict[str, str], finish_reason: FinishReason | None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return data_event({**self._common, "choices": [choice]})


def completion(model: str, text: str, finish_reason: FinishReason | None, usage: Usage | None) -> dict[str, Any]:
    """Return the whole answer in one object."""
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": finish_reason}]
    body = {**_head("chat.completion"), "model": model, "choices": choices}
    return {**body, "usage": _usage(usage)} if usage is not None else body


def data_event(content: dict[str, Any]) -> bytes:
    """Return one server-sent event."""
    return b"data: " + msgspec.json.encode(content) + b"\n\n"


def _head(kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{new_id().hex}", "object": kind, "created": int(time.time())}


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
