"""Work of the clock that has no hurry: sealing the audit log, purging what is past its time."""

import time
from collections.abc import Awaitable, Callable

from backend.documents.upkeep import purge_deleted
from backend.identity.service import purge_sessions
from db.repositories import audit, idempotency
from db.unit_of_work import unit_of_work
from ops.runtime.logging import get_logger
from ops.runtime.objects import ObjectStore

log = get_logger(__name__)

SEAL_SECONDS = 5.0
PURGE_SECONDS = 600.0
SEAL_BATCHES = 20


class Upkeep:
    """Runs each task when it is due; only the leading clock's may run."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._tasks: tuple[tuple[str, float, Callable[[], Awaitable[int]]], ...] = (
            ("audit_sealed", SEAL_SECONDS, _seal),
            ("idempotency_keys_purged", PURGE_SECONDS, idempotency.purge),
            ("sessions_purged", PURGE_SECONDS, purge_sessions),
            ("documents_purged", PURGE_SECONDS, self._purge_documents),
        )
        self._due_at = {name: 0.0 for name, _, _ in self._tasks}

    async def tick(self) -> None:
        """Do what is due."""
        for name, interval_seconds, task in self._tasks:
            if time.monotonic() < self._due_at[name]:
                continue
            self._due_at[name] = time.monotonic() + interval_seconds
            if count := await task():
                log.info(name, count=count)

    async def _purge_documents(self) -> int:
        return await purge_deleted(self._objects)


async def _seal() -> int:
    sealed = 0
    for _ in range(SEAL_BATCHES):
        async with unit_of_work() as uow:
            batch = await audit.seal_batch(uow)
        sealed += batch
        if not batch:
            break
    return sealed
