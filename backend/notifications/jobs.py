"""The jobs of notifications."""

from typing import Final
from uuid import UUID

import msgspec

from db.jobs import JobKind, RetrySchedule

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class DeliverArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Which message goes where."""

    delivery_id: UUID
    endpoint_id: UUID


DELIVER: Final = JobKind(
    name="notifications.deliver",
    args=DeliverArgs,
    queue="notify",
    priority=20,
    retry=RetrySchedule((5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 8 * HOUR, 8 * HOUR)),
    time_limit_seconds=MINUTE,
    max_age_seconds=3 * DAY,
    # A receiver that never answers holds a place in the worker for 15 s each time. It may hold one, and its tenant three.
    concurrency_per_tenant=3,
    concurrency_per_key=1,
    concurrency_key=lambda args: str(args.endpoint_id),
    cancellable=False,
    schedulable=False,
    dedupe_key=lambda args: str(args.delivery_id),
)
