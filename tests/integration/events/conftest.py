"""A consumer that writes a ledger without any constraint, and what the clock does to events."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import pytest

from actors.events import Consumer, Consuming, EventRelay
from backend.academics.events import COURSE_CREATED, CourseEvent
from db import query
from db.engine import close_database, open_pool
from db.events import StoredEvent
from db.jobs import RetrySchedule
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import CourseId, FacultyId, SemesterId, new_id
from ops.runtime.redis import Redis, open_redis, open_redis_blocking
from tests.servers import Database


class Someone(msgspec.Struct):
    """Acts without being a person."""

    tenant_id: UUID
    user_id: UUID | None = None


@dataclass
class Ledger:
    """Notes each event it handles, in the transaction; of those in `broken` it raises before, in `cut` after that."""

    handled: list[UUID] = field(default_factory=list)
    broken: set[UUID] = field(default_factory=set)
    cut: set[UUID] = field(default_factory=set)

    async def handle(self, uow: UnitOfWork, event: StoredEvent) -> None:
        if event.id in self.broken:
            raise RuntimeError("broken")
        await uow.audit(Someone(event.tenant_id), "ledger.noted", {"event_id": str(event.id)})
        if event.id in self.cut:
            raise RuntimeError("cut")
        self.handled.append(event.id)

    async def rows(self) -> list[UUID]:
        """What was committed, in order."""
        found = await query.fetch_values(
            "SELECT metadata->>'event_id' FROM audit_log WHERE action = 'ledger.noted' ORDER BY id"
        )
        return [UUID(one) for one in found]


@dataclass
class Bus:
    """One tenant's events, a relay and a consumer."""

    someone: Someone
    redis: Redis
    blocking: Redis
    ledger: Ledger = field(default_factory=Ledger)
    retry: RetrySchedule = RetrySchedule((0.0, 0.0))  # noqa: RUF009 - frozen

    @property
    def relay(self) -> EventRelay:
        """A clock's relay, as it is after its start."""
        return EventRelay(self.redis)

    def consumer(self, name: str = "ledger") -> Consuming:
        """A clock's consumer, as it is after its start."""
        return Consuming(Consumer(name=name, retry=self.retry, handle=self.ledger.handle), self.blocking)

    async def emit(self, count: int = 1) -> list[UUID]:
        """Events of as many acts."""
        return [await self._emit() for _ in range(count)]

    async def _emit(self) -> UUID:
        async with unit_of_work() as uow:
            return await uow.emit(COURSE_CREATED, course(), subject=self.someone)

    async def entries(self) -> list[str]:
        """The ids of events in the stream."""
        found: Any = await self.redis.xrange("lyceum.events")
        return [fields[b"id"].decode() for _, fields in found]


def course() -> CourseEvent:
    return CourseEvent(
        course_id=CourseId(new_id()), faculty_id=FacultyId(new_id()), semester_id=SemesterId(new_id()), code="C1"
    )


@pytest.fixture
async def bus(database: Database, valkey_url: str) -> AsyncIterator[Bus]:
    await open_pool(database.url)
    tenant = new_id()
    await query.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, 'one', 'One')", tenant)
    redis, blocking = open_redis(valkey_url), open_redis_blocking(valkey_url)
    yield Bus(Someone(tenant), redis, blocking)
    await redis.aclose()
    await blocking.aclose()
    await close_database()
