"""Roles and grants."""

from collections.abc import Sequence

from msgspec import UNSET

from backend.identity.errors import (
    GrantExists,
    GrantNotFound,
    InputRefused,
    PersonNotFound,
    PlaceNotFound,
    RoleInUse,
    RoleNotFound,
    RoleTaken,
)
from backend.identity.escalation import check_own_rights, keeps_an_administrator, rights_beyond
from backend.identity.revocation import rights_changed
from backend.identity.schemas import NewGrant, NewRole, RoleChange
from backend.kit.permissions import PERMISSIONS
from backend.kit.places import places_for
from backend.kit.subject import CourseRef, Subject
from db.errors import UniqueViolation
from db.repositories import academics, courses, people
from db.repositories import rights as rows
from db.repositories.rights import GrantRow, RoleRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import CourseId, FacultyId, GrantId, RoleId, UserId


async def list_roles(subject: Subject) -> list[RoleRow]:
    """Return the tenant's roles, for whoever may read people somewhere."""
    subject.require_somewhere("person.read")
    return await rows.roles(subject.tenant_id)


async def list_roles_to_give(subject: Subject, course: CourseRef) -> list[RoleRow]:
    """Return the roles that one may give in the course: those that give nothing there that one does not hold there."""
    subject.require("grant.write", course)
    return [
        role for role in await rows.roles(subject.tenant_id) if not rights_beyond(subject, role.permissions, course)
    ]


async def get_role(subject: Subject, role_id: RoleId) -> RoleRow:
    """Return a role.

    Raises:
        RoleNotFound
    """
    subject.require_somewhere("person.read")
    role = await rows.role(role_id, subject.tenant_id)
    if role is None:
        raise RoleNotFound("There is no such role.")
    return role


async def create_role(subject: Subject, new: NewRole) -> RoleRow:
    """Make a role of permissions one holds oneself.

    Raises:
        RoleTaken, InputRefused: an unknown permission. MoreThanOwnRights
    """
    subject.require("role.write")
    _check_known(new.permissions)
    check_own_rights(subject, new.permissions)
    try:
        async with unit_of_work() as uow:
            role = await rows.add_role(uow, subject.tenant_id, new.name, set(new.permissions))
            about = {"role_id": role.id, "name": role.name, "permissions": role.permissions}
            await uow.audit(subject, "role.created", about)
    except UniqueViolation as error:
        raise RoleTaken(f"There is a role called {new.name}.") from error
    return role


async def change_role(subject: Subject, role_id: RoleId, change: RoleChange) -> RoleRow:
    """Change a role; whoever holds it has the new rights from their next request on.

    Raises:
        RoleNotFound, RoleTaken, RoleInUse: a built-in role keeps its name. InputRefused, MoreThanOwnRights, LastAdministrator
    """
    subject.require("role.write")
    permissions = None if change.permissions is UNSET else set(change.permissions)
    _check_known([] if change.permissions is UNSET else change.permissions)
    name = None if change.name is UNSET else change.name
    try:
        async with unit_of_work() as uow, keeps_an_administrator(uow, subject.tenant_id):
            role = await rows.hold_role(uow, role_id, subject.tenant_id)
            if role is None:
                raise RoleNotFound("There is no such role.")
            if role.is_builtin and name not in (None, role.name):
                raise RoleInUse("The roles every tenant starts with keep their names.")
            check_own_rights(subject, (permissions or set()) - set(role.permissions))
            changed = await rows.update_role(uow, role_id, name=name, permissions=permissions)
            await rights_changed(uow, await rows.holders_of_role(uow, role_id))
            about = {"role_id": role_id, "before": role.permissions, "after": changed.permissions, "name": changed.name}
            await uow.audit(subject, "role.changed", about)
    except UniqueViolation as error:
        raise RoleTaken(f"There is a role called {name}.") from error
    return changed


async def delete_role(subject: Subject, role_id: RoleId) -> None:
    """Delete a role that is not built in and that nobody holds.

    Raises:
        RoleNotFound, RoleInUse
    """
    subject.require("role.write")
    async with unit_of_work() as uow:
        role = await rows.hold_role(uow, role_id, subject.tenant_id)
        if role is None:
            raise RoleNotFound("There is no such role.")
        if role.is_builtin:
            raise RoleInUse("The roles every tenant starts with can be changed, not deleted.")
        if holders := await rows.holders_of_role(uow, role_id):
            raise RoleInUse(f"{len(holders)} people hold this role.")
        await rows.delete_role(uow, role_id)
        await uow.audit(subject, "role.deleted", {"role_id": role_id, "name": role.name})


async def list_grants(subject: Subject, user_id: UserId) -> list[GrantRow]:
    """Return what a person of the tenant holds in the places where one may read people.

    Raises:
        PersonNotFound
    """
    subject.require_somewhere("person.read")
    await _check_person(subject, user_id)
    return await rows.grants_of(user_id, subject.tenant_id, places_for(subject, "person.read"))


async def get_grant(subject: Subject, user_id: UserId, grant_id: GrantId) -> GrantRow:
    """Return one of the grants that `list_grants` returns.

    Raises:
        PersonNotFound, GrantNotFound
    """
    for found in await list_grants(subject, user_id):
        if found.id == grant_id:
            return found
    raise GrantNotFound("There is no such grant.")


async def give(subject: Subject, user_id: UserId, new: NewGrant) -> GrantRow:
    """Give a role in a place where one may give it and holds all it gives.

    Raises:
        PersonNotFound, PlaceNotFound, InputRefused: no such role, or a course of another faculty. MoreThanOwnRights, GrantExists
    """
    course, faculty_id = await _place(subject, new.faculty_id, new.course_id)
    subject.require("grant.write", course, faculty_id=faculty_id)
    await _check_person(subject, user_id)
    try:
        async with unit_of_work() as uow:
            role = await rows.hold_role_named(uow, new.role, subject.tenant_id)
            if role is None:
                raise InputRefused("/role", "There is no role of this name.")
            check_own_rights(subject, role.permissions, course, faculty_id=faculty_id)
            grant_id = await rows.add_grant(
                uow,
                subject.tenant_id,
                user_id,
                role.id,
                faculty_id=faculty_id,
                course_id=course.course_id if course else None,
                created_by=subject.user_id,
            )
            await rights_changed(uow, [user_id])
            given = await rows.grant(grant_id, user_id, subject.tenant_id)
            assert given is not None
            await uow.audit(subject, "grant.created", _about(given))
    except UniqueViolation as error:
        raise GrantExists("The person holds this role there already.") from error
    return given


async def take(subject: Subject, user_id: UserId, grant_id: GrantId) -> None:
    """End a grant in a place where one may give grants.

    Raises:
        GrantNotFound, LastAdministrator. MoreThanOwnRights: the role gives there what one does not hold there
    """
    found = await rows.grant(grant_id, user_id, subject.tenant_id)
    if found is None:
        raise GrantNotFound("There is no such grant.")
    course = None
    if found.course_id is not None:
        faculty_id = await courses.faculty_of_course(found.course_id, subject.tenant_id, with_deleted=True)
        assert faculty_id is not None
        course = CourseRef(found.course_id, faculty_id)
    if not (subject.can("person.read") or subject.can("grant.write", course, faculty_id=found.faculty_id)):
        raise GrantNotFound("There is no such grant.")
    subject.require("grant.write", course, faculty_id=found.faculty_id)
    async with unit_of_work() as uow, keeps_an_administrator(uow, subject.tenant_id):
        role = await rows.hold_role(uow, found.role_id, subject.tenant_id)
        if role is not None and user_id != subject.user_id:
            check_own_rights(subject, role.permissions, course, faculty_id=found.faculty_id)
        if not await rows.delete_grant(uow, grant_id):
            raise GrantNotFound("There is no such grant.")
        await rights_changed(uow, [user_id])
        await uow.audit(subject, "grant.deleted", _about(found))


async def _place(
    subject: Subject, faculty_id: FacultyId | None, course_id: CourseId | None
) -> tuple[CourseRef | None, FacultyId | None]:
    if course_id is not None:
        owner = await courses.faculty_of_course(course_id, subject.tenant_id)
        if owner is None or not _knows(subject, CourseRef(course_id, owner), owner):
            raise PlaceNotFound("There is no such course.")
        if faculty_id not in (None, owner):
            raise InputRefused("/faculty_id", "The course belongs to another faculty.")
        return CourseRef(course_id, owner), None
    if faculty_id is not None:
        known = await academics.faculty(faculty_id, subject.tenant_id)
        if known is None or not _knows(subject, None, faculty_id):
            raise PlaceNotFound("There is no such faculty.")
    return None, faculty_id


def _knows(subject: Subject, course: CourseRef | None, faculty_id: FacultyId) -> bool:
    return any(subject.can(name, course, faculty_id=faculty_id) for name in ("grant.write", "course.read"))


async def _check_person(subject: Subject, user_id: UserId) -> None:
    if await people.get(user_id, subject.tenant_id) is None:
        raise PersonNotFound("There is no such person.")


def _check_known(permissions: Sequence[str]) -> None:
    for index, name in enumerate(permissions):
        if name not in PERMISSIONS:
            raise InputRefused(f"/permissions/{index}", "There is no permission of this name.")


def _about(grant: GrantRow) -> dict[str, object]:
    return {
        "grant_id": grant.id,
        "user_id": grant.user_id,
        "role": grant.role,
        "faculty_id": grant.faculty_id,
        "course_id": grant.course_id,
    }
