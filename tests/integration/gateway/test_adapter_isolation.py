"""Nobody hears what an adapter says but its owner: a short attack. `tests/chaos/test_adapter_isolation.py` is the long one.

With the gate's owner check gone the engine's still holds; with both gone the attack succeeds, so it is one.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from inference_gateway.adapters.authority import Authority
from inference_gateway.adapters.gate import RegistryGate
from tests.adapter_house import House, adapter_counts, furnished, open_house
from tests.isolation import Attack
from tests.servers import Database, RunningValkey

CANARIES, LOADED = 6, 3
REQUESTS = 240


@pytest.fixture(scope="module")
def house(
    module_database: Database, valkey_server: RunningValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("house")
    redis_url = valkey_server.url(7)
    yield furnished(folder, module_database.url, redis_url, canaries=CANARIES, loaded=LOADED)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()


async def test_each_owner_hears_its_word_and_nobody_another_s(house: House) -> None:
    with open_house(house) as url:
        before = adapter_counts(url)
        attack = Attack(url, house.key, house.canaries, seed=1)
        assert await attack.show_each() == [canary.word for canary in house.canaries]
        outcome = await attack.run(REQUESTS)
        counts = adapter_counts(url) - before
    print(outcome.table())

    assert (outcome.leaks, outcome.crossed, outcome.wrong) == ([], [], [])
    assert outcome.own_words > REQUESTS / 3
    assert outcome.kept > 0
    assert counts["lyceum_adapter_evictions"] > 0
    assert counts["lyceum_adapter_denied"] > REQUESTS / 10
    assert counts["lyceum_adapter_engine_refused"] == 0, "the gate let nothing through"


async def test_without_the_gate_s_check_the_engine_s_still_holds(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RegistryGate, "_is_owner", lambda *_: True)
    with open_house(house) as url:
        before = adapter_counts(url)
        outcome = await Attack(url, house.key, house.canaries, seed=2).run(REQUESTS)
        refused = adapter_counts(url)["lyceum_adapter_engine_refused"] - before["lyceum_adapter_engine_refused"]

    assert (outcome.leaks, outcome.crossed, outcome.wrong) == ([], [], [])
    assert refused > REQUESTS / 20, "those of the same tenant came as far as the engine"


async def test_without_either_check_words_are_heard_by_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RegistryGate, "_is_owner", lambda *_: True)
    monkeypatch.setattr(Authority, "is_owner", lambda *_: True)
    with open_house(house) as url:
        outcome = await Attack(url, house.key, house.canaries, seed=3).run(REQUESTS)

    assert outcome.leaks
    assert outcome.crossed
