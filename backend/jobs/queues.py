"""Pausing and resuming a tenant's queues."""

from typing import Final

from backend.jobs.errors import QueueNotFound
from backend.kit.subject import Subject
from db.jobs import QUEUES
from db.repositories import queues
from db.repositories.queues import QueueRow
from db.unit_of_work import unit_of_work

READ: Final = "ops.read"
WRITE: Final = "ops.write"


async def list_queues(subject: Subject) -> list[QueueRow]:
    """Return every queue as the tenant sees it.

    Raises:
        PermissionMissing: the subject is no operator.
    """
    subject.require(READ)
    return await queues.queues(subject.tenant_id, list(QUEUES))


async def pause(subject: Subject, name: str) -> QueueRow:
    """Start no job of the tenant's queue from now on; what runs goes on. A paused queue stays as it is.

    Raises:
        PermissionMissing: the subject may only look.
        QueueNotFound: there is no such queue.
    """
    subject.require(WRITE)
    _check(name)
    async with unit_of_work() as uow:
        if await queues.pause(uow, subject.tenant_id, name, subject.user_id):
            await uow.audit(subject, "queue.paused", {"queue": name})
    return await _one(subject, name)


async def resume(subject: Subject, name: str) -> QueueRow:
    """Start jobs of the queue again, within a second or two.

    Raises:
        PermissionMissing: the subject may only look.
        QueueNotFound: there is no such queue.
    """
    subject.require(WRITE)
    _check(name)
    async with unit_of_work() as uow:
        if await queues.resume(uow, subject.tenant_id, name):
            await uow.audit(subject, "queue.resumed", {"queue": name})
    return await _one(subject, name)


def _check(name: str) -> None:
    if name not in QUEUES:
        raise QueueNotFound


async def _one(subject: Subject, name: str) -> QueueRow:
    (row,) = await queues.queues(subject.tenant_id, [name])
    return row
