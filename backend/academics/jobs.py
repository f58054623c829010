"""The jobs by which academics tells documents that a course has moved or is back."""

from datetime import datetime
from typing import Final

import msgspec

from db.jobs import JobKind, RetrySchedule
from ops.runtime.ids import CourseId

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class CourseMovedArgs(msgspec.Struct, frozen=True, kw_only=True):
    """The course whose points carry the old faculty or semester; the row says where it is now."""

    course_id: CourseId


class CourseRestoredArgs(msgspec.Struct, frozen=True, kw_only=True):
    """The course that is back, and since when it had been away."""

    course_id: CourseId
    deleted_at: datetime


COURSE_MOVED: Final = JobKind(
    name="academics.course_moved",
    args=CourseMovedArgs,
    queue="default",
    priority=5,  # until it has run nothing is found in the course
    retry=RetrySchedule((1.0, 5.0, 30.0, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, HOUR, HOUR, HOUR)),
    time_limit_seconds=HOUR,
    max_age_seconds=7 * DAY,
    concurrency_per_tenant=2,
    concurrency_per_key=1,
    concurrency_key=lambda args: str(args.course_id),
    cancellable=False,
    schedulable=False,
    dedupe_key=lambda _: None,  # one that runs may have read the row before this move
)

COURSE_RESTORED: Final = JobKind(
    name="academics.course_restored",
    args=CourseRestoredArgs,
    queue="default",
    priority=10,
    retry=RetrySchedule((1.0, 5.0, 30.0, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, HOUR, HOUR, HOUR)),
    time_limit_seconds=HOUR,
    max_age_seconds=7 * DAY,
    concurrency_per_tenant=2,
    concurrency_per_key=1,
    concurrency_key=lambda args: str(args.course_id),
    cancellable=False,
    schedulable=False,
    dedupe_key=lambda _: None,  # each time away has its own losses
)
