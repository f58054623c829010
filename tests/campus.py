"""Two tenants on real servers, for tests: people without passwords, signed in as a login would, and a course to read."""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backend.academics import places, service
from backend.academics.schemas import NewCourse, NewFaculty, NewSemester
from backend.identity import accounts, sessions
from backend.identity.runtime import Runtime, close_identity, open_identity
from backend.identity.service import create_tenant, subject_for_user
from backend.kit.subject import Subject
from db.engine import close_database, open_database
from db.repositories import people
from db.repositories.courses import CourseRow
from db.repositories.identity import TenantRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import FacultyId, SemesterId, UserId
from ops.runtime.redis import Redis, open_redis
from ops.runtime.settings import Settings


def secret() -> str:
    """32 random bytes as a setting."""
    return base64.b64encode(os.urandom(32)).decode()


def settings_for(database_url: str, redis_url: str = "", **others: object) -> Settings:
    """Settings of one api process on the test's servers."""
    keys = {name: secret() for name in ("signing_key", "master_key", "service_key")}
    return Settings(database_url=database_url, redis_url=redis_url, **(keys | others))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Place:
    """A faculty with one semester."""

    faculty_id: FacultyId
    semester_id: SemesterId


@dataclass(frozen=True)
class Process:
    """What a process has open."""

    settings: Settings
    runtime: Runtime
    redis: Redis | None


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Process]:
    """Open database, Redis (if the settings name one) and identity as a process does."""
    await open_database(settings, pool_size=10)
    redis = open_redis(settings.redis_url) if settings.redis_url else None
    try:
        yield Process(settings, open_identity(settings, redis), redis)
    finally:
        close_identity()
        await close_database()
        if redis is not None:
            await redis.aclose()


async def tenant(slug: str) -> TenantRow:
    """A tenant with its roles."""
    return await create_tenant(slug, slug.title())


async def person(home: TenantRow, name: str, *roles: str, email: str = "", password_hash: str | None = None) -> Subject:
    """A person of the tenant with tenant-wide roles."""
    async with unit_of_work() as uow:
        row = await accounts.add_person(
            uow,
            home.id,
            email=email or f"{name}@{home.slug}.example",
            display_name=name.title(),
            password_hash=password_hash,
        )
        for role in roles:
            await accounts.give_role(uow, home.id, row.id, role)
    return await subject_for_user(row.id)


async def sign_in(user_id: UserId) -> sessions.OpenedSession:
    """A session as a login begins it, without the cost of a password."""
    async with unit_of_work() as uow:
        credential = await people.hold_credential(uow, user_id)
        assert credential is not None
        return await sessions.begin(uow, credential, sessions.Origin(user_agent="tests"), refreshable=True)


async def place(administrator: Subject, code: str) -> Place:
    """A faculty and its semester."""
    from datetime import date

    faculty = await places.create_faculty(administrator, NewFaculty(name=f"Faculty {code}", code=code))
    new = NewSemester(
        faculty_id=faculty.id, name="Winter", code="W1", starts_on=date(2026, 10, 1), ends_on=date(2027, 2, 28)
    )
    return Place(faculty.id, (await places.create_semester(administrator, new)).id)


async def course(administrator: Subject, where: Place, code: str) -> CourseRow:
    """A course there."""
    new = NewCourse(faculty_id=where.faculty_id, semester_id=where.semester_id, code=code, title=f"Course {code}")
    return await service.create_course(administrator, new)
