"""Jobs as the API gives them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from db.jobs import JobError, JobState
from db.repositories.schedules import Missed
from ops.runtime.ids import JobId

ScheduleName = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern="[^ \\t\\r\\n]")]
KindName = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Cron = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
TimeZone = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
MaxMissed = Annotated[int, msgspec.Meta(ge=1, le=100)]


class JobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Counts within the stage; `total` is 0 where it cannot be known."""

    done: int
    total: int


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job. `error` is the last attempt's, also while the job waits for its next one."""

    id: JobId
    kind: str
    state: JobState
    queue: str
    stage: str | None
    progress: JobProgress
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
