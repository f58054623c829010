"""The worker processes, and their drain."""

from uuid import UUID

from backend.jobs.schemas import WorkerView
from backend.kit.subject import Subject


async def list_workers(subject: Subject) -> list[WorkerView]:
    """Return the workers there are, and those that stopped lately."""
    raise NotImplementedError


async def drain_worker(subject: Subject, worker_id: UUID) -> WorkerView:
    """Have a worker finish what it does, take nothing new, and end."""
    raise NotImplementedError
