"""What a job is: its kind, declared once in a domain's ``jobs.py``, and the claim a worker holds while it works.

Postgres is the truth. A message in Redis carries a job's id and nothing else; losing all of them loses nothing.
"""

import random
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec

from ops.runtime.ids import JobId

Queue = Literal["ingest", "exams", "models", "notify", "default"]
QUEUES: tuple[Queue, ...] = ("ingest", "exams", "models", "notify", "default")
JobState = Literal["queued", "waiting", "running", "succeeded", "dead", "cancelled"]
Lease = Literal["held", "cancel", "lost"]
WaitsFor = Literal["place", "children", "predecessor"]
OnChildFailure = Literal["fail", "continue"]
TERMINAL_STATES: frozenset[JobState] = frozenset({"succeeded", "dead", "cancelled"})

Args = TypeVar("Args", bound=msgspec.Struct)


class RetrySchedule(msgspec.Struct, frozen=True):
    """Seconds to wait after the first, second, … failed attempt; attempts are one more than delays."""

    delays_seconds: tuple[float, ...]
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.jitter < 1 or any(delay < 0 for delay in self.delays_seconds):
            raise ValueError(
                "delays must not be negative, and jitter lies between 0 and 1: failures must not march in step"
            )

    @property
    def max_attempts(self) -> int:
        """How often a job may start, kills counted."""
        return len(self.delays_seconds) + 1

    def delay_seconds(self, attempt: int) -> float:
        """Return the wait after failed attempt `attempt` (from 1), spread by ± `jitter` so that failures do not march in step."""
        base = self.delays_seconds[min(attempt, len(self.delays_seconds)) - 1] if self.delays_seconds else 0.0
        return base * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 - spreads load, guards nothing


_kinds: "dict[str, JobKind[Any]]" = {}


class JobKind(msgspec.Struct, Generic[Args], frozen=True, kw_only=True):
    """A kind of job. No field has a default: whoever declares a kind decides each of them.

    `concurrency_per_tenant` counts a tenant's jobs of the kind, `concurrency_per_key` those of all tenants with the same
    `concurrency_key`. `cancellable` is for work that a person asked for and may call off, never for what keeps an index
    true to the rows; `schedulable` for work whose arguments an operator may write.
    """

    name: str
    args: type[Args]
    queue: Queue
    priority: int
    retry: RetrySchedule
    time_limit_seconds: float
    max_age_seconds: float
    concurrency_per_tenant: int
    concurrency_per_key: int
    concurrency_key: Callable[[Args], str | None]
    cancellable: bool
    schedulable: bool
    dedupe_key: Callable[[Args], str | None]

    def __post_init__(self) -> None:
        if self.queue not in QUEUES:
            raise ValueError(f"job kind {self.name}: no queue is called {self.queue}")
        limits = (
            self.time_limit_seconds,
            self.max_age_seconds,
            self.concurrency_per_tenant,
            self.concurrency_per_key,
        )
        if not self.name or min(limits) <= 0:
            raise ValueError(f"job kind {self.name!r}: limits must be positive and the name not empty")
        _kinds[self.name] = self


def kind_named(name: str) -> "JobKind[Any] | None":
    """Return the kind of that name; None when this process has not loaded it."""
    return _kinds.get(name)


def kind_names() -> list[str]:
    """Return the names of the kinds that this process has loaded."""
    return sorted(_kinds)


def is_cancellable(kind: str) -> bool:
    """Tell whether people may call off jobs of that name; a kind that this process has not loaded stays out of reach."""
    found = _kinds.get(kind)
    return found is not None and found.cancellable


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt failed; `detail` may be shown to whoever may read the job."""

    type: str
    detail: str


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's right to run one attempt. `fencing_token` grows with each claim; a write with an older one fails.

    A suspect may be what killed its workers: each worker runs one of those at a time.
    """

    job_id: JobId
    kind: str
    tenant_id: UUID
    user_id: UUID | None
    subject_id: UUID | None
    args: bytes
    attempt: int
    max_attempts: int
    fencing_token: int
    request_id: str
    traceparent: str
    parent_id: UUID | None
    concurrency_key: str | None
    is_suspect: bool = False

    def ended(self, error: JobError | None) -> "EndedJob":
        """Describe the job's end: with an error it is dead, without one cancelled."""
        return EndedJob(
            job_id=self.job_id,
            kind=self.kind,
            tenant_id=self.tenant_id,
            user_id=self.user_id,
            subject_id=self.subject_id,
            args=self.args,
            error=error,
        )


class Child(msgspec.Struct, Generic[Args], frozen=True, kw_only=True):
    """A job that another one asks for and waits for."""

    kind: JobKind[Args]
    args: Args
    subject_id: UUID | None = None


class EndedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that ended without success: dead when there is an error, else cancelled. Its domain is told in the same transaction."""

    job_id: JobId
    kind: str
    tenant_id: UUID
    user_id: UUID | None
    subject_id: UUID | None
    args: bytes
    error: JobError | None
