"""One running application per test, with two tenants."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from backend.academics import controller as academics
from backend.identity import controller as identity
from backend.kit.subject import Subject
from db.repositories.identity import TenantRow
from tests import api, campus
from tests.api import Api
from tests.servers import Database

CONTROLLERS = [*identity.controllers, *academics.controllers]


@dataclass(frozen=True)
class World:
    """Tenant `home` with its people, and the administrator of another."""

    api: Api
    home: TenantRow
    admin: Subject
    student: Subject
    stranger: Subject


@pytest.fixture
async def world(database: Database, valkey_url: str) -> AsyncIterator[World]:
    async with api.running(database.url, valkey_url, controllers=CONTROLLERS) as running:
        home, elsewhere = await campus.tenant("home"), await campus.tenant("elsewhere")
        yield World(
            api=running,
            home=home,
            admin=await campus.person(home, "ada", "admin", "ops"),
            student=await campus.person(home, "sam", "student"),
            stranger=await campus.person(elsewhere, "eve", "admin", "ops"),
        )
