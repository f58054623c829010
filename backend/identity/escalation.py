"""The two rules that keep rights from growing or vanishing by themselves."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from backend.identity.errors import LastAdministrator, MoreThanOwnRights
from backend.kit.subject import CourseRef, Subject
from db.repositories import identity, rights
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import FacultyId, TenantId, UserId

ADMINISTRATION = frozenset({"role.write", "grant.write"})

# It opens nothing by itself: only what enrolments open, and those need `enrolment.write`.
HARMLESS = frozenset({"course.learn"})


def check_own_rights(
    subject: Subject,
    permissions: Iterable[str],
    course: CourseRef | None = None,
    *,
    faculty_id: FacultyId | None = None,
) -> None:
    """Refuse to hand out, in that place, what the person does not hold there themselves.

    Raises:
        MoreThanOwnRights: with the permissions that are missing.
    """
    if beyond := rights_beyond(subject, permissions, course, faculty_id=faculty_id):
        raise MoreThanOwnRights(beyond)


def rights_beyond(
    subject: Subject,
    permissions: Iterable[str],
    course: CourseRef | None = None,
    *,
    faculty_id: FacultyId | None = None,
) -> list[str]:
    """Return which of `permissions` the person does not hold in that place."""
    return [
        permission
        for permission in sorted(set(permissions) - HARMLESS)
        if not subject.can(permission, course, faculty_id=faculty_id)
    ]


async def check_rights_of_person(subject: Subject, user_id: UserId) -> None:
    """Refuse power over a person, active or disabled, who holds anywhere what one does not hold in the whole tenant.

    Raises:
        MoreThanOwnRights: with the permissions that are missing.
    """
    if user_id != subject.user_id:
        check_own_rights(subject, await rights.permissions_of(user_id, subject.tenant_id))


@asynccontextmanager
async def keeps_an_administrator(uow: UnitOfWork, tenant_id: TenantId) -> AsyncIterator[None]:
    """Wrap what takes rights away: somebody active must still manage roles and grants in the whole tenant afterwards.

    Only one such change runs at a time in a tenant, so that two administrators cannot remove each other.

    Raises:
        LastAdministrator: on exit; the transaction is rolled back.
    """
    await identity.hold_tenant(uow, tenant_id)
    before = await rights.held_tenant_wide(uow, tenant_id, ADMINISTRATION)
    yield
    if before - await rights.held_tenant_wide(uow, tenant_id, ADMINISTRATION):
        raise LastAdministrator
