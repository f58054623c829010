"""The job by which academics tells documents that a course has moved."""

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


COURSE_MOVED: Final = JobKind(
    name="academics.course_moved",
    args=CourseMovedArgs,
    queue="default",
    priority=5,  # until it has run nothing is found in the course
    retry=RetrySchedule((1.0, 5.0, 30.0, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, HOUR, HOUR, HOUR)),
    time_limit_seconds=HOUR,
    max_age_seconds=7 * DAY,
    concurrency_per_tenant=2,
    cancellable=False,
    dedupe_key=lambda _: None,  # one that runs may have read the row before this move
)
