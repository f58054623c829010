"""OpenAI's answers: the whole ones, and the events of streamed ones."""

import time
from typing import Any

from inference_gateway.contract import ChatDelta, ToolCallDelta, Usage
from inference_gateway.errors import GatewayError
from inference_gateway.wire.answering import PROBLEM, Whole, data_event
from inference_gateway.wire.answers import fault_of, openai_error
from ops.runtime.ids import new_id

DONE = b"data: [DONE]\n\n"


class _Chunks:
    """Events of one streamed completion, which share an id, a time and a model."""

    kind: str
    id_prefix: str

    def __init__(self, model: str, include_usage: bool) -> None:
        self._common = {**_head(self.id_prefix, self.kind), "model": model}
        self._include_usage = include_usage

    def closing(self, usage: Usage | None) -> bytes:
        """Return the usage, when the client asked for it, and the end."""
        if not self._include_usage or usage is None:
            return DONE
        return data_event({**self._common, "choices": [], "usage": _usage(usage)}) + DONE

    def fault(self, error: GatewayError) -> bytes:
        """Return the event that OpenAI's clients raise as an error."""
        return data_event(openai_error(fault_of(error)), PROBLEM)

    def _event(self, choice: dict[str, Any]) -> bytes:
        return data_event({**self._common, "choices": [{"index": 0, **choice}]})


class ChatChunks(_Chunks):
    """A chat completion."""

    kind = "chat.completion.chunk"
    id_prefix = "chatcmpl"

    def opening(self) -> bytes:
        """Return the event that names the role."""
        return self._event({"delta": {"role": "assistant", "content": ""}, "finish_reason": None})

    def piece(self, delta: ChatDelta) -> bytes:
        """Return the event of one piece; one that only brings the usage has none."""
        if not (delta.text or delta.tool_calls or delta.finish_reason):
            return b""
        told: dict[str, Any] = {"content": delta.text} if delta.text else {}
        if delta.tool_calls:
            told["tool_calls"] = [_call_piece(piece) for piece in delta.tool_calls]
        return self._event({"delta": told, "finish_reason": delta.finish_reason})


class TextChunks(_Chunks):
    """A completion of raw text."""

    kind = "text_completion"
    id_prefix = "cmpl"

    def opening(self) -> bytes:
        """Return nothing: the first piece opens the stream."""
        return b""

    def piece(self, delta: ChatDelta) -> bytes:
        """Return the event of one piece; one that only brings the usage has none."""
        if not (delta.text or delta.finish_reason):
            return b""
        return self._event({"text": delta.text, "logprobs": None, "finish_reason": delta.finish_reason})


def chat_completion(answer: Whole) -> dict[str, Any]:
    """Return a chat completion in one object."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.tool_calls:
        message |= {"content": answer.text or None, "tool_calls": answer.tool_calls}
    return _whole(answer, "chatcmpl", "chat.completion", {"message": message})


def text_completion(answer: Whole) -> dict[str, Any]:
    """Return a completion of raw text in one object."""
    return _whole(answer, "cmpl", "text_completion", {"text": answer.text, "logprobs": None})


def _whole(answer: Whole, id_prefix: str, kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    choices = [{"index": 0, **choice, "finish_reason": answer.finish_reason}]
    body = {**_head(id_prefix, kind), "model": answer.model, "choices": choices}
    return {**body, "usage": _usage(answer.usage)} if answer.usage is not None else body


def _call_piece(piece: ToolCallDelta) -> dict[str, Any]:
    function = {"name": piece.name, "arguments": piece.arguments} if piece.name else {"arguments": piece.arguments}
    first = {"id": piece.id, "type": "function"} if piece.id else {}
    return {"index": piece.index, **first, "function": function}


def _head(id_prefix: str, kind: str) -> dict[str, Any]:
    return {"id": f"{id_prefix}-{new_id().hex}", "object": kind, "created": int(time.time())}


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
