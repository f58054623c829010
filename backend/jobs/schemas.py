"""Jobs as the API gives them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from db.jobs import JobError, JobState
from ops.runtime.ids import JobId


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
