"""What the tenant, its courses and its people may use of the gateway."""

import math
from typing import Final
from uuid import UUID

import msgspec

from backend.academics.access import readable_course
from backend.errors import InputError, ValidationFailed
from backend.identity.errors import PersonNotFound
from backend.inference.errors import QuotaNotFound
from backend.inference.schemas import NewQuota, QuotaLeft
from backend.kit.subject import Subject
from db.repositories import people, quotas
from db.repositories.quotas import QuotaRow, SetQuotaRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import CourseId

READ: Final = "inference.read"
WRITE: Final = "inference.write"
ASK: Final = "chat.use"


async def list_quotas(subject: Subject) -> list[SetQuotaRow]:
    """Return the quotas that are set, the tenant's first.

    Raises:
        PermissionMissing
    """
    subject.require(READ)
    return await quotas.quotas_of(subject.tenant_id)


async def set_quota(subject: Subject, new: NewQuota) -> SetQuotaRow:
    """Set a quota in place of the one for the same.

    Raises:
        PermissionMissing
        ValidationFailed: it limits nothing, or a tenant's names a subject. CourseNotFound, PersonNotFound
    """
    subject.require(WRITE)
    await _check(subject, new)
    row = QuotaRow(**msgspec.structs.asdict(new))
    async with unit_of_work() as uow:
        await quotas.put_quota(uow, subject.tenant_id, row, subject.user_id)
        await uow.audit(subject, "quota.set", msgspec.to_builtins(row))
        found = await quotas.find_quota_of(subject.tenant_id, new.level, new.subject_id)
    assert found is not None
    return found


async def delete_quota(subject: Subject, quota_id: UUID) -> None:
    """Take a limit away.

    Raises:
        PermissionMissing, QuotaNotFound
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        row = await quotas.delete_quota(uow, subject.tenant_id, quota_id)
        if row is None:
            raise QuotaNotFound
        await uow.audit(subject, "quota.deleted", {"level": row.level, "subject_id": row.subject_id})


async def remaining(subject: Subject, course_id: UUID | None) -> list[QuotaLeft]:
    """Return what is left of the quotas that count when the person asks, in a course or in none; empty where none is set.

    Raises:
        PermissionMissing. CourseNotFound: the person may not ask about that course.
    """
    subject.require_somewhere(ASK)
    if course_id is not None:
        await readable_course(subject, CourseId(course_id), ASK)
    rows = await quotas.quotas_by_subject(subject.tenant_id)
    return [await _left(subject.tenant_id, row) for row in quotas.quotas_for(rows, course_id, subject.user_id)]


async def _left(tenant_id: UUID, quota: QuotaRow) -> QuotaLeft:
    used = await quotas.backlog(tenant_id, quota, unknown_is_full=False)
    return QuotaLeft(
        level=quota.level,
        tokens=quota.tokens,
        tokens_left=None if quota.tokens is None else max(0, math.floor(quota.tokens - used.tokens)),
        requests=quota.requests,
        requests_left=None if quota.requests is None else max(0, math.floor(quota.requests - used.requests)),
        period_seconds=quota.period_seconds,
    )


async def _check(subject: Subject, new: NewQuota) -> None:
    if new.tokens is None and new.requests is None:
        raise _wrong("/tokens", "A quota limits tokens, requests, or both.")
    if new.subject_id is None:
        return
    if new.level == "tenant":
        raise _wrong("/subject_id", "A quota of the whole institution names nobody.")
    if new.level == "course":
        await readable_course(subject, CourseId(new.subject_id))
    elif await people.get(new.subject_id, subject.tenant_id) is None:
        raise PersonNotFound("There is no such person.")


def _wrong(pointer: str, detail: str) -> ValidationFailed:
    return ValidationFailed("The quota cannot be set.", errors=[InputError(pointer=pointer, detail=detail)])
