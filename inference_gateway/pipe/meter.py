"""The last stage: what one request took, counted while it flows, written down when it ends."""

import hashlib
import time

import msgspec

from inference_gateway.contract import ChatDelta, ChatRequest, FinishReason, Usage
from inference_gateway.errors import GatewayError
from inference_gateway.pipe.admit import Admitted, prompt_tokens
from inference_gateway.pipe.answer import Facts
from inference_gateway.ports import GenerationRecord, Grant
from ops.runtime.context import request_id

CLIENT_GONE = "client_gone"
"""The error code of a request whose client did not wait for the end."""


class Ledger:
    """Counts one request. Where the upstream tells no usage, each piece of text counts as one token."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finish_reason: FinishReason | None = None
        self._began_at = time.perf_counter()
        self._first_token_seconds: float | None = None
        self._pieces = 0

    def count(self, delta: ChatDelta, grant: Grant) -> None:
        """Count a piece; raises `QuotaExhausted` when it was the last that the quota pays for."""
        self.usage = delta.usage or self.usage
        self.finish_reason = delta.finish_reason or self.finish_reason
        if delta.text or delta.tool_calls:
            if self._first_token_seconds is None:
                self._first_token_seconds = time.perf_counter() - self._began_at
            self._pieces += delta.pieces
            grant.spend(delta.pieces)

    def spent(self, request: ChatRequest) -> Usage | None:
        """Return the tokens to be charged: as told, else as counted; None when nothing was generated."""
        if self.usage is not None or self._pieces == 0:
            return self.usage
        return Usage(prompt_tokens=prompt_tokens(request), completion_tokens=self._pieces)

    def record(
        self,
        request: ChatRequest,
        facts: Facts,
        error: BaseException | None,
        draft: GenerationRecord,
    ) -> GenerationRecord:
        """Complete the draft that was made when the request came."""
        spent = self.spent(request) or Usage(prompt_tokens=0, completion_tokens=0)
        return msgspec.structs.replace(
            draft,
            model=facts.model,
            model_hash=facts.model_hash,
            adapter_id=facts.adapter,
            upstream=facts.upstream,
            degraded=facts.degraded,
            finish_reason=self.finish_reason,
            error_code=_code(error),
            prompt_tokens=spent.prompt_tokens,
            completion_tokens=spent.completion_tokens,
            first_token_seconds=self._first_token_seconds,
            total_seconds=time.perf_counter() - self._began_at,
            cache_hit=facts.cache == "hit",
        )


def prompt_sha256(request: ChatRequest) -> str:
    """Return what tells two prompts apart without telling either."""
    return hashlib.sha256(msgspec.json.encode((request.messages, request.prompt, request.tools))).hexdigest()


def draft_of(admitted: Admitted) -> GenerationRecord:
    """Return what is known before anything happens. The context of a request is gone once it streams: call it first."""
    request = admitted.request
    return GenerationRecord(
        request_id=request_id.get(),
        caller=admitted.caller,
        asked_model=request.model,
        queue_seconds=admitted.queue_seconds,
        total_seconds=0.0,
        temperature=request.temperature,
        seed=request.seed,
        prompt_sha256=prompt_sha256(request),
    )


def _code(error: BaseException | None) -> str:
    if error is None:
        return ""
    if isinstance(error, GatewayError):
        return error.code
    return GatewayError.code if isinstance(error, Exception) else CLIENT_GONE
