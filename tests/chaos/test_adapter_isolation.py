"""Ten thousand requests for 24 adapters, each with a word of its own, at a gateway process with memory for a third of them.

Beside the attack one adapter is revoked and the file of another is spoiled.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from db import query
from db.engine import close_database, open_pool
from inference_gateway.adapters.faults import NameTaken
from inference_gateway.adapters.library import weights_key
from ops.runtime.objects import ObjectStore
from tests.adapter_house import House, adapter_counts, furnished
from tests.canaries import Canary
from tests.isolation import Attack, Outcome
from tests.processes import process
from tests.servers import Database

CANARIES, LOADED = 24, 8
BESIDE = 2
REQUESTS = 10_000
FOREIGN_RECORDS = """
    SELECT count(*) FROM inference_logs l JOIN adapter_namespaces n ON n.name = split_part(l.adapter_id, '@', 1)
    WHERE l.user_id IS DISTINCT FROM n.owner_id OR l.tenant_id <> n.tenant_id"""
OWN_RECORDS = "SELECT count(*) FROM inference_logs WHERE adapter_id <> ''"


@pytest.fixture
def house(database: Database, valkey_url: str, tmp_path: Path) -> House:
    return furnished(tmp_path, database.url, valkey_url, canaries=CANARIES + BESIDE, loaded=LOADED)


@pytest.fixture
async def pool(house: House) -> AsyncIterator[None]:
    await open_pool(house.settings.database_url, pool_size=2)
    yield
    await close_database()


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("pool")
async def test_ten_thousand_requests_and_nobody_hears_another_s_word(house: House, tmp_path: Path) -> None:
    attacked, (revoked, spoiled) = house.canaries[:CANARIES], house.canaries[CANARIES:]
    url = house.settings.gateway_url
    with process("gateway", house.settings, tmp_path) as gateway:
        attack = Attack(url, house.key, attacked, seed=4)
        assert await attack.show_each() == [canary.word for canary in attacked]
        async with asyncio.TaskGroup() as group:
            running = group.create_task(attack.run(REQUESTS))
            group.create_task(_revoke(house, attack, revoked))
            group.create_task(_spoil(house, attack, spoiled))
        outcome, counts = running.result(), adapter_counts(url)
        assert gateway.stop() == 0
    print(f"\n{outcome.table()}\n{dict(counts)}")
    _check(outcome, counts)
    assert await query.fetch_value(OWN_RECORDS) >= outcome.own_words
    assert await query.fetch_value(FOREIGN_RECORDS) == 0
    assert not any(canary.word in gateway.log.read_text() for canary in house.canaries)


def _check(outcome: Outcome, counts: Counter[str]) -> None:
    assert (outcome.leaks, outcome.crossed, outcome.wrong) == ([], [], [])
    assert outcome.requests.total() == REQUESTS
    assert outcome.own_words > REQUESTS / 2
    assert outcome.degraded < REQUESTS / 100
    assert outcome.kept > REQUESTS / 20
    assert counts["lyceum_adapter_evictions"] > 100
    assert counts["lyceum_adapter_loads"] > CANARIES + 100
    assert counts["lyceum_adapter_denied"] > REQUESTS / 5
    assert counts["lyceum_adapter_quarantined"] == 1
    assert counts["lyceum_adapter_engine_refused"] == 0


async def _revoke(house: House, attack: Attack, canary: Canary) -> None:
    """The owner hears the word until it is revoked, and never again; the name is not given a second time."""
    weights = await _store(house).get(weights_key(canary.manifest.name, canary.tenant_id))
    assert (await attack.ask(canary)).text == canary.word
    await house.library.revoke(canary.manifest.name, canary.tenant_id)
    for _ in range(10):
        reply = await attack.ask(canary)
        assert reply.status == 404
        assert canary.word not in reply.text
        await asyncio.sleep(0.1)
    with pytest.raises(NameTaken):
        await house.library.add(canary.manifest, weights)


async def _spoil(house: House, attack: Attack, canary: Canary) -> None:
    """A file that was changed is put into quarantine; its owner gets the base model."""
    store, key = _store(house), weights_key(canary.manifest.name, canary.tenant_id)
    weights = await store.get(key)
    await store.put(key, weights[:-4] + bytes(4))
    for _ in range(3):
        reply = await attack.ask(canary)
        assert (reply.status, reply.is_degraded) == (200, True)
        assert not any(one.word in reply.text for one in house.canaries)


def _store(house: House) -> ObjectStore:
    return ObjectStore.from_url(house.settings.object_store_url)
