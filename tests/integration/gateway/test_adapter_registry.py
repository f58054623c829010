"""Both registries keep the same promises: names are given once, tombstones stay, other tenants see nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from db import query
from db.engine import close_database, open_pool
from inference_gateway.adapters.faults import AdapterMissing, NameTaken, StoreUnavailable
from inference_gateway.adapters.folder import ObjectRegistry
from inference_gateway.adapters.library import AdapterLibrary, weights_key
from inference_gateway.adapters.manifest import ManifestKey
from inference_gateway.adapters.registry import PostgresRegistry, Registry
from ops.runtime.objects import ObjectStore
from tests.adapters import manifest_of, small_weights
from tests.servers import Database

TENANT, OTHER_TENANT = uuid4(), uuid4()


@pytest.fixture
async def postgres(database: Database) -> AsyncIterator[Registry]:
    await open_pool(database.url, pool_size=2)
    for tenant_id, slug in ((TENANT, "one"), (OTHER_TENANT, "two")):
        await query.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, $2, $2)", tenant_id, slug)
    yield PostgresRegistry()
    await close_database()


@pytest.fixture(params=["postgres", "folder"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    if request.param == "postgres":
        found: Registry = request.getfixturevalue("postgres")
        return found
    return ObjectRegistry(ObjectStore.from_url((tmp_path / "objects").as_uri()))


@pytest.fixture
def store() -> ObjectStore:
    return ObjectStore.from_url("memory://")


@pytest.fixture
def library(registry: Registry, store: ObjectStore) -> AdapterLibrary:
    return AdapterLibrary(registry, store, ManifestKey(bytes(32)))


async def test_a_revoked_name_stays_and_is_never_given_again(
    library: AdapterLibrary, registry: Registry, store: ObjectStore
) -> None:
    weights, owner = small_weights(), uuid4()
    manifest = manifest_of(weights, TENANT, owner)
    await library.add(manifest, weights)
    assert await library.manifest(manifest.name, TENANT) == manifest
    assert await library.still_active([str(manifest.name), "x@" + "0" * 64]) == {str(manifest.name)}

    await library.revoke(manifest.name, TENANT)

    assert await library.manifest(manifest.name, TENANT) is None
    assert await library.still_active([str(manifest.name)]) == set()
    assert not await store.exists(weights_key(manifest.name, TENANT))
    entry = await registry.find(manifest.name, TENANT)
    assert entry is not None
    assert entry.state == "revoked"
    with pytest.raises(NameTaken):
        await library.add(manifest, weights)
    assert [listed.entry.state for listed in await library.listed(TENANT)] == ["revoked"]
    with pytest.raises(AdapterMissing):
        await library.revoke(manifest.name, TENANT)


async def test_another_person_or_tenant_cannot_take_a_namespace(library: AdapterLibrary) -> None:
    weights, owner = small_weights(), uuid4()
    await library.add(manifest_of(weights, TENANT, owner, namespace="mine"), weights)

    async def claim(tenant_id: UUID, owner_id: UUID) -> None:
        other = small_weights()
        await library.add(manifest_of(other, tenant_id, owner_id, namespace="mine"), other)

    with pytest.raises(NameTaken):
        await claim(TENANT, uuid4())
    with pytest.raises(NameTaken):
        await claim(OTHER_TENANT, owner)
    await claim(TENANT, owner)
    assert len(await library.listed(TENANT)) == 2
    assert await library.listed(OTHER_TENANT) == []


async def test_another_tenant_sees_nothing(library: AdapterLibrary, registry: Registry) -> None:
    weights = small_weights()
    manifest = manifest_of(weights, TENANT, uuid4())
    await library.add(manifest, weights, is_pinned=True)

    assert await registry.find(manifest.name, OTHER_TENANT) is None
    with pytest.raises(AdapterMissing):
        await library.revoke(manifest.name, OTHER_TENANT)
    await registry.quarantine(manifest.name, OTHER_TENANT, "corrupt")
    entry = await registry.find(manifest.name, TENANT)
    assert entry is not None
    assert (entry.state, entry.is_pinned) == ("active", True)
    await registry.quarantine(manifest.name, TENANT, "corrupt")
    entry = await registry.find(manifest.name, TENANT)
    assert entry is not None
    assert entry.state == "quarantined"


async def test_a_quarantine_is_audited_once(postgres: Registry, store: ObjectStore) -> None:
    weights = small_weights()
    manifest = manifest_of(weights, TENANT, uuid4())
    await AdapterLibrary(postgres, store, ManifestKey(bytes(32))).add(manifest, weights)
    for _ in range(2):
        await postgres.quarantine(manifest.name, TENANT, "corrupt")
    rows = await query.fetch_values(
        "SELECT metadata->>'adapter_id' FROM audit_log WHERE action = 'adapter.quarantined' AND tenant_id = $1", TENANT
    )
    assert rows == [str(manifest.name)]


async def test_a_database_that_is_away_is_said_to_be(postgres: Registry) -> None:
    await close_database()
    with pytest.raises(StoreUnavailable):
        await postgres.entries(TENANT)
