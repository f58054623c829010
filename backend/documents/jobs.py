"""The jobs of documents."""

from typing import Final

import msgspec

from db.jobs import JobKind, RetrySchedule
from ops.runtime.ids import DocumentId

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class IngestArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Which version to read."""

    document_id: DocumentId
    version: int


class PruneArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Whose points to compare with what is served."""

    document_id: DocumentId


class ReindexArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Whose points to make anew, and for which embedder."""

    document_id: DocumentId
    model: str


INGEST: Final = JobKind(
    name="documents.ingest",
    args=IngestArgs,
    queue="ingest",
    priority=10,
    retry=RetrySchedule((2.0, 10.0, 30.0, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR)),
    time_limit_seconds=2 * HOUR,
    max_age_seconds=2 * DAY,
    concurrency_per_tenant=4,
    concurrency_per_key=1,
    concurrency_key=lambda _: None,
    cancellable=True,
    schedulable=False,
    dedupe_key=lambda args: f"{args.document_id}/{args.version}",
)

PRUNE: Final = JobKind(
    name="documents.prune",
    args=PruneArgs,
    queue="default",
    priority=20,
    retry=RetrySchedule((1.0, 5.0, 30.0, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, HOUR, HOUR, HOUR)),
    time_limit_seconds=10 * MINUTE,
    max_age_seconds=7 * DAY,
    concurrency_per_tenant=4,
    concurrency_per_key=1,
    concurrency_key=lambda _: None,
    cancellable=False,
    schedulable=False,
    dedupe_key=lambda _: None,  # one that runs may have looked already: each change needs a look of its own
)

REINDEX: Final = JobKind(
    name="documents.reindex",
    args=ReindexArgs,
    queue="ingest",
    priority=15,
    retry=RetrySchedule((2.0, 10.0, 30.0, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR)),
    time_limit_seconds=2 * HOUR,
    max_age_seconds=2 * DAY,
    concurrency_per_tenant=2,
    concurrency_per_key=1,
    concurrency_key=lambda _: None,
    cancellable=False,
    schedulable=False,
    dedupe_key=lambda args: f"{args.document_id}/{args.model}",
)
