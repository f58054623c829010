"""A tenant with a person and a course, and requests it made."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from db import query
from db.engine import close_database, open_pool
from db.repositories import inference
from db.repositories.inference import LogRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id
from tests.servers import Database


class Place(msgspec.Struct, frozen=True):
    tenant_id: UUID
    user_id: UUID
    course_id: UUID


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Place]:
    await open_pool(database.url)
    place = Place(new_id(), new_id(), new_id())
    await query.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, 'one', 'One')", place.tenant_id)
    yield place
    await close_database()


def log_row(place: Place, **fields: Any) -> LogRow:
    """A request of 10 + 30 tokens."""
    row = LogRow(
        id=new_id(),
        tenant_id=place.tenant_id,
        user_id=place.user_id,
        course_id=place.course_id,
        request_id="r",
        purpose="generate",
        asked_model="",
        model="m",
        model_hash="",
        adapter_id="",
        upstream="u",
        degraded=False,
        cache_hit=False,
        finish_reason="stop",
        error_code="",
        prompt_tokens=10,
        completion_tokens=30,
        queue_seconds=0.0,
        first_token_seconds=0.5,
        total_seconds=2.0,
        cost=None,
        temperature=0.0,
        seed=None,
        prompt_sha256="",
        finished_at=datetime.now(UTC),
    )
    return msgspec.structs.replace(row, **fields)


async def add(*rows: LogRow) -> None:
    async with unit_of_work() as uow:
        await inference.add_logs(uow, rows)


def ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)
