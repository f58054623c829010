"""A tenant, and job kinds that exist only here."""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import pytest

from db import query
from db.engine import close_database, open_pool
from ops.runtime.ids import new_id
from tests.servers import Database


class Someone(msgspec.Struct):
    """Acts without being a person."""

    tenant_id: UUID
    user_id: UUID | None = None


@pytest.fixture
async def someone(database: Database) -> AsyncIterator[Someone]:
    await open_pool(database.url)
    tenant = new_id()
    await query.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, 'one', 'One')", tenant)
    yield Someone(tenant)
    await close_database()
