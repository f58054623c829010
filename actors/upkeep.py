"""Work of the clock that has no hurry: sealing the audit log, purging what is past its time.

It goes on beside the relay in three lanes, for a purge may take long and a sample has its time: at most three of the clock's
connections are lent to it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

from actors import sampler
from actors.context import log_failure
from actors.events import CONSUMER_NAMES
from actors.sampler import Sampler
from backend.academics import upkeep as academics
from backend.chat.upkeep import purge_conversations
from backend.documents.upkeep import purge_deleted, purge_uncited
from backend.identity.service import purge_sessions
from backend.identity.upkeep import purge_grants, purge_people
from backend.jobs.history import purge_firings, purge_jobs
from backend.notifications import upkeep as notifications
from db.errors import DatabaseUnavailable
from db.repositories import audit, idempotency, inference
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.logging import get_logger
from ops.runtime.objects import ObjectStore
from rag.store import VectorStore

log = get_logger(__name__)

LOOK_SECONDS = 1.0
SEAL_SECONDS = 5.0
PURGE_SECONDS = 600.0


class Task(NamedTuple):
    """`batch` does some of what is due and returns how many that were; `name` is logged with their sum."""

    name: str
    interval_seconds: float
    batch: Callable[[], Awaitable[int]]


class Upkeep:
    """Runs the tasks of each lane one after the other when they are due; only the leading clock's may run."""

    def __init__(self, lanes: Sequence[Sequence[Task]]) -> None:
        self._lanes = lanes

    async def run(self) -> None:
        """Work until cancelled, which undoes the batch that is being done."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(_work(lane))


def upkeep_lanes(objects: ObjectStore, vectors: VectorStore) -> Sequence[Sequence[Task]]:
    """Return the clock's tasks; what is held by others is purged after them."""
    purges: dict[str, Callable[[], Awaitable[int]]] = {
        "idempotency_keys_purged": idempotency.purge,
        "sessions_purged": purge_sessions,
        "people_purged": purge_people,
        "jobs_purged": purge_jobs,
        "firings_purged": purge_firings,
        "queue_samples_rolled_up": sampler.roll_up,
        "queue_samples_purged": sampler.purge,
        "inference_logs_purged": partial(_in_transaction, inference.purge_logs),
        "inference_texts_purged": partial(_in_transaction, inference.purge_texts),
        "grants_purged": purge_grants,
        "webhook_deliveries_purged": notifications.purge_deliveries,
        "webhook_receipts_purged": notifications.purge_receipts,
        "dead_events_purged": notifications.purge_dead,
        "events_purged": partial(notifications.purge_events, CONSUMER_NAMES),
        "conversations_purged": purge_conversations,
        "documents_purged": partial(purge_deleted, objects, vectors),
        "documents_removed": purge_uncited,
        "enrolments_purged": academics.purge_enrolments,
        "courses_purged": academics.purge_courses,
        "courses_removed": academics.purge_bare_courses,
        "semesters_purged": academics.purge_semesters,
        "faculties_purged": academics.purge_faculties,
    }
    sealing = [Task("audit_sealed", SEAL_SECONDS, partial(_in_transaction, audit.seal_batch))]
    sampling = [Task("queues_sampled", sampler.LOOK_SECONDS, Sampler().sample)]
    return sealing, sampling, [Task(name, PURGE_SECONDS, batch) for name, batch in purges.items()]


async def _work(lane: Sequence[Task]) -> None:
    due_at = dict.fromkeys((task.name for task in lane), 0.0)
    while True:
        for task in lane:
            if time.monotonic() >= due_at[task.name]:
                due_at[task.name] = time.monotonic() + task.interval_seconds
                await _do(task)
        await asyncio.sleep(LOOK_SECONDS)


async def _do(task: Task) -> None:
    """Do batches until none is left; a task that fails is tried again when it is due again, and holds up no other."""
    count = 0
    try:
        while done := await task.batch():
            count += done
    except DatabaseUnavailable as error:
        log.warning("upkeep_without_database", task=task.name, error=type(error).__name__)
    except Exception as error:  # noqa: BLE001 - whatever one task raises, the others go on
        log_failure(log, "upkeep_failed", error, task=task.name)
    if count:
        log.info(task.name, count=count)


async def _in_transaction(work: Callable[[UnitOfWork], Awaitable[int]]) -> int:
    async with unit_of_work() as uow:
        return await work(uow)
