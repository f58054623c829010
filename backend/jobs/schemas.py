"""Jobs as the API gives them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from db.jobs import JobError, JobState, Queue
from db.repositories.schedules import Cause, Missed
from ops.runtime.ids import JobId

ScheduleName = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern="[^ \\t\\r\\n]")]
KindName = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Cron = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
TimeZone = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
MaxMissed = Annotated[int, msgspec.Meta(ge=1, le=100)]
ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Priority = Annotated[int, msgspec.Meta(ge=0, le=1000)]
ManyIds = Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=1000)]

Outcome = Literal["succeeded", "failed", "handed_back", "fanned_out", "cancelled", "lost"]
Action = Literal["retry", "discard", "cancel", "priority"]
WorkerState = Literal["running", "draining", "silent", "stopped"]
WaitingCode = Literal[
    "cancel-requested",
    "queue-paused",
    "tenant-limit",
    "key-limit",
    "kept-apart",
    "retry-at",
    "starts-at",
    "children",
    "predecessor",
    "dependency",
    "no-worker",
    "workers-busy",
    "behind",
    "not-pushed",
]


class JobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Counts within the stage; `total` is 0 where it cannot be known."""

    done: int
    total: int


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job. `error` is the last attempt's, also while the job waits for its next one; a low `priority` goes first.

    `estimated_seconds_left` is for the present stage at its pace so far, null where that does not tell.
    """

    id: JobId
    kind: str
    state: JobState
    queue: str
    priority: int
    stage: str | None
    progress: JobProgress
    estimated_seconds_left: int | None
    attempts: int
    max_attempts: int
    error: JobError | None
    subject_id: UUID | None
    user_id: UUID | None
    request_id: str
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    retry_at: datetime | None


class JobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a job, numbered from 1 without gaps; `data` depends on `type`."""

    seq: int
    type: str
    data: msgspec.Raw
    created_at: datetime


class JobEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Events after a number; `done` tells that no more will come."""

    items: Sequence[JobEvent]
    next_after: int
    done: bool


class NewSchedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule to make: five cron fields in a time zone.

    `missed` says what becomes of due times at which no clock ran: `skip` them, run `once` for all, or run `all` of them, the
    last `max_missed`.
    """

    name: ScheduleName
    kind: KindName
    args: dict[str, Any] = msgspec.field(default_factory=dict)
    cron: Cron
    timezone: TimeZone = "UTC"
    missed: Missed = "once"
    max_missed: MaxMissed = 1
    is_enabled: bool = True


class ScheduleChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of a schedule; its jobs then have the rights of whoever changed it."""

    name: ScheduleName | UnsetType = UNSET
    kind: KindName | UnsetType = UNSET
    args: dict[str, Any] | UnsetType = UNSET
    cron: Cron | UnsetType = UNSET
    timezone: TimeZone | UnsetType = UNSET
    missed: Missed | UnsetType = UNSET
    max_missed: MaxMissed | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET


class ScheduleView(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule; `next_at` is null while it is off, `user_id` whose rights its jobs have."""

    id: UUID
    name: str
    kind: str
    args: dict[str, Any]
    cron: str
    timezone: str
    missed: Missed
    max_missed: int
    is_enabled: bool
    next_at: datetime | None
    user_id: UUID | None
    created_at: datetime
    updated_at: datetime


class DueTimes(msgspec.Struct, frozen=True, kw_only=True):
    """The next due times of a cron expression, with the time zone's offset at each."""

    items: Sequence[datetime]


class JobFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs; what is null does not matter. `created_from` is included, `created_until` is not; `mine`: one's own."""

    state: JobState | None = None
    kind: ShortText | None = None
    queue: Queue | None = None
    subject_id: UUID | None = None
    user_id: UUID | None = None
    error_type: ShortText | None = None
    request_id: ShortText | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None
    mine: bool = False


class AttemptWorker(msgspec.Struct, frozen=True, kw_only=True):
    """Where an attempt ran."""

    id: UUID
    host: str
    pid: int


class JobAttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One start of a job, counted from 1; what runs has no end, `duration_seconds` is then that of so far."""

    number: int
    worker: AttemptWorker | None
    started_at: datetime
    finished_at: datetime | None
    duration_seconds: float
    outcome: Outcome | None
    error: JobError | None


class RelatedJob(msgspec.Struct, frozen=True, kw_only=True):
    """The job that asked for another one, or has to end before it."""

    id: JobId
    kind: str
    state: JobState


class FiredBy(msgspec.Struct, frozen=True, kw_only=True):
    """The schedule that made a job; `name` is null when it has been deleted since."""

    schedule_id: UUID
    name: str
    cause: Cause
    due_at: datetime


class JobTimeline(msgspec.Struct, frozen=True, kw_only=True):
    """How a job came about and what happened to it. `children` counts those it asked for by state; `trace_id` is W3C's."""

    job: JobView
    request_id: str
    trace_id: str | None
    attempts: Sequence[JobAttemptView]
    parent: RelatedJob | None
    predecessor: RelatedJob | None
    children: Mapping[JobState, int]
    fired_by: FiredBy | None


class WaitingReason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that keeps a job from starting: a stable `code`, a sentence, and the facts that belong to the code.

    `since`, `user_id`: when and who (paused, asked to cancel, pushed); `until`: when it will be tried again. `limit` and
    `count`: how many may, and how many do now (run, are open, stand before it). `job_ids`: those that hold its places, or
    the job it comes after; those of other tenants are counted and not named.
    """

    code: WaitingCode
    detail: str
    since: datetime | None = None
    until: datetime | None = None
    user_id: UUID | None = None
    queue: str | None = None
    key: str | None = None
    limit: int | None = None
    count: int | None = None
    error_type: str | None = None
    dependency: str | None = None
    job_ids: Sequence[JobId] = ()


class JobWaiting(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job has not started; no reasons for one that runs, has ended, or is about to start."""

    state: JobState
    reasons: Sequence[WaitingReason]


class NewPriority(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a job stands in its queue; the lowest number goes first."""

    priority: Priority


class BulkAct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One act on many jobs: those of `ids`, or those that match `filter`. With `preview` nothing changes.

    `after`, an earlier outcome's `next_after`, goes on with the filter behind the jobs that were looked at.
    """

    action: Action
    ids: ManyIds | None = None
    filter: JobFilter | None = None
    after: UUID | None = None
    priority: Priority | None = None
    preview: bool = False


class BulkRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A problem's type, how many jobs met it, and up to ten of them."""

    type: str
    detail: str
    count: int
    job_ids: Sequence[JobId]


class BulkOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an act on many jobs did, or with `preview` would do.

    `matched` jobs were named, or match and are in a state that allows the act; `done` and `refused` add up to those this
    call looked at; `remaining` are left to the same call with `after`: `next_after`, which is null when none are left.
    `samples` are ten of them before the act.
    """

    action: Action
    preview: bool
    matched: int
    done: int
    refused: Sequence[BulkRefusal]
    remaining: int
    next_after: JobId | None
    samples: Sequence[JobView]


class DeadGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Dead jobs of one kind with the same type of error; `oldest_at` and `newest_at` tell when they died."""

    kind: str
    error_type: str
    count: int
    oldest_at: datetime
    newest_at: datetime
    sample_ids: Sequence[JobId]


class WorkerJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that a worker has in hand."""

    id: JobId
    kind: str
    started_at: datetime


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """A worker process; `jobs` are those of one's own tenant, `jobs_running` of all.

    `silent`: no heartbeat for 15 s. `memory_bytes` is what its process, without children, had resident at the heartbeat.
    """

    id: UUID
    host: str
    pid: int
    queues: Sequence[str]
    threads: int
    state: WorkerState
    jobs: Sequence[WorkerJob]
    jobs_running: int
    memory_bytes: int
    started_at: datetime
    heartbeat_at: datetime
    heartbeat_age_seconds: float
    stopped_at: datetime | None
