"""The jobs about jobs."""

from typing import Annotated, Final

import msgspec

from db.jobs import JobKind, RetrySchedule

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class PurgeArgs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the tenant keeps jobs that have ended."""

    older_than_days: Annotated[int, msgspec.Meta(ge=1, le=3650)]


PURGE: Final = JobKind(
    name="jobs.purge",
    args=PurgeArgs,
    queue="default",
    priority=50,
    retry=RetrySchedule((10.0, MINUTE, 10 * MINUTE)),
    time_limit_seconds=HOUR,
    max_age_seconds=DAY,
    concurrency_per_tenant=1,
    concurrency_per_key=1,
    concurrency_key=lambda _: None,
    cancellable=True,
    schedulable=True,
    dedupe_key=lambda _: "purge",
)
