"""TGI's answers to a generation. The pipe carries text and counts, not token ids: `id` is 0 and `logprob` null."""

from typing import Any

from inference_gateway.contract import ChatDelta, FinishReason, Usage
from inference_gateway.errors import GatewayError
from inference_gateway.wire.answering import PROBLEM, Whole, data_event
from inference_gateway.wire.answers import fault_of, tgi_error
from inference_gateway.wire.tgi_input import GenerateInput


class TgiEvents:
    """Events of one streamed generation. TGI tells reason and usage with the last token, so one piece is held back."""

    def __init__(self, wanted: GenerateInput) -> None:
        self._wanted = wanted
        self._texts: list[str] = []
        self._held: str | None = None
        self._index = 0
        self._finish_reason: FinishReason | None = None

    def opening(self) -> bytes:
        """Return nothing: the first token opens the stream."""
        return b""

    def piece(self, delta: ChatDelta) -> bytes:
        """Return the event of the piece before, when there is a new one."""
        self._finish_reason = delta.finish_reason or self._finish_reason
        if not delta.text:
            return b""
        event = b"" if self._held is None else self._event(self._held)
        self._texts.append(delta.text)
        self._held = delta.text
        return event

    def closing(self, usage: Usage | None) -> bytes:
        """Return the event of the last token, with the whole text and, when they were wanted, the details."""
        text = self._wanted.opening_text + "".join(self._texts)
        details = None
        if self._wanted.with_details:
            details = {**_counts(self._finish_reason, usage, self._wanted), "input_length": _prompt_tokens(usage)}
        return self._event(self._held or "", generated_text=text, details=details)

    def fault(self, error: GatewayError) -> bytes:
        """Return what was held back, then the error."""
        held = b"" if self._held is None else self._event(self._held)
        return held + data_event(tgi_error(fault_of(error)), PROBLEM)

    def _event(self, text: str, **last: Any) -> bytes:
        self._index += 1
        token = {"id": 0, "text": text, "logprob": None, "special": False}
        return data_event({"index": self._index, "token": token, "generated_text": None, "details": None, **last})


def whole_generation(answer: Whole, wanted: GenerateInput) -> dict[str, Any]:
    """Return a generation in one object."""
    body: dict[str, Any] = {"generated_text": wanted.opening_text + answer.text}
    if wanted.with_details:
        body["details"] = {**_counts(answer.finish_reason, answer.usage, wanted), "prefill": [], "tokens": []}
    return body


def _counts(reason: FinishReason | None, usage: Usage | None, wanted: GenerateInput) -> dict[str, Any]:
    return {
        "finish_reason": "length" if reason == "length" else "eos_token",
        "generated_tokens": 0 if usage is None else usage.completion_tokens,
        "seed": wanted.parameters.seed,
    }


def _prompt_tokens(usage: Usage | None) -> int:
    return 0 if usage is None else usage.prompt_tokens
