"""What the pipe needs from others: admission, adapters, cache and meter. `unset.py` stands in where none is set up."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

import msgspec

from inference_gateway.caller import Caller
from inference_gateway.contract import ChatDelta, ChatRequest, FinishReason, Usage


class Remaining(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of the tightest quota of the caller; each is None where there is no quota."""

    tokens: int | None = None
    requests: int | None = None
    reset_seconds: int | None = None


class Grant(Protocol):
    """One admitted request."""

    @property
    def remaining(self) -> Remaining:
        """What is left after this request's reservation."""

    @property
    def covers_all(self) -> bool:
        """Whether all tokens that were asked for are reserved, so that `spend` will not raise."""

    def spend(self, completion_tokens: int) -> None:
        """Count tokens as text flows; raises `QuotaExhausted` when the reservation and the quota are used up."""

    def settle(self, usage: Usage | None) -> None:
        """Give back what was not used, within milliseconds.

        Called once, also after an error and when the client has gone (then None).
        """


class Admission(Protocol):
    """The first stage: who may begin, and when."""

    def admit(self, caller: Caller, tokens: int, prompt_tokens: int = 0) -> AbstractAsyncContextManager[Grant]:
        """Hold a permit while the block runs. `tokens` is the prompt's estimate plus the most the answer may have.

        Where a quota has fewer left, but more than the prompt's, what it has is granted, and `Grant.spend` ends the answer.

        Raises:
            GatewayOverloaded: no permit came free before the deadline, or too many wait.
            QuotaExhausted: the tenant, person or course has used up its share.
        """


class AuthorisedAdapter(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter whose owner made the request. `id` is `namespace@sha256`. One in quarantine is nowhere used: not by a server
    that was given it at its start either.

    Only a gate makes one that counts: it is worth nothing to the engine without the gate's `proof`.
    """

    id: str
    sha256: str
    owner_id: UUID
    base_revision: str
    tenant_id: UUID | None = None
    user_id: UUID | None = None
    proof: bytes = b""
    is_quarantined: bool = False


class AdapterGate(Protocol):
    """The owner check, before any cache."""

    async def authorise(self, adapter_id: str, caller: Caller) -> AuthorisedAdapter:
        """Return the adapter; raises `AdapterUnknown` for one that is not there and for another's alike."""


class CachedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer as it flowed, and which model of which upstream gave it."""

    deltas: tuple[ChatDelta, ...]
    model: str
    upstream: str


class ResponseCache(Protocol):
    """Answers that come out the same each time."""

    def key(
        self, request: ChatRequest, caller: Caller, model_hash: str, adapter: AuthorisedAdapter | None
    ) -> str | None:
        """Return the key made of everything that shapes the answer; None where it may not be kept."""

    async def get(self, key: str) -> CachedAnswer | None:
        """Return the answer, or None."""

    async def put(self, key: str, answer: CachedAnswer, tags: tuple[str, ...]) -> None:
        """Keep an answer; everything under a tag (`tenant:…`, `user:…`, `course:…`) can be purged together."""


class GenerationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one request, without a word of its text. Seconds are None for what was never reached."""

    request_id: str
    caller: Caller
    asked_model: str
    model: str = ""
    model_hash: str = ""
    adapter_id: str = ""
    upstream: str = ""
    degraded: bool = False
    finish_reason: FinishReason | None = None
    error_code: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    queue_seconds: float | None = None
    first_token_seconds: float | None = None
    total_seconds: float
    cache_hit: bool = False
    temperature: float = 0.0
    seed: int | None = None
    prompt_sha256: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked and what came back, to be run again."""

    request: ChatRequest
    answer: str


class Meter(Protocol):
    """The last stage."""

    def keeps_text(self, caller: Caller) -> bool:
        """Tell whether a run of this caller would be kept, so that nobody collects what would not."""

    def record(self, entry: GenerationRecord, run: Run | None = None) -> None:
        """Take an entry; never blocks, and loses none on a clean stop."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """All that stands behind the pipe. `text_may_leave`: what tenants allow, None where nobody can know."""

    admission: Admission
    adapters: AdapterGate
    cache: ResponseCache
    meter: Meter
    text_may_leave: Callable[[UUID | None], bool] | None = None
