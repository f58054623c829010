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
    # A receiver that does not answer holds a place in the worker for up to 15 s (`patience`). It may hold one, and its
    # tenant two: three tenants whose receivers are all silent leave two of a worker's eight places to others.
    concurrency_per_tenant=2,
    concurrency_per_key=1,
    concurrency_key=lambda args: str(args.endpoint_id),
    cancellable=False,
    schedulable=False,
    dedupe_key=lambda args: str(args.delivery_id),
)
