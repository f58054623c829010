"""What was acknowledged survives kill -9 of both processes, at random points of a stream of writes."""

import asyncio
import random
from pathlib import Path

import httpx
import psutil
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException

from tests.vectors import RunningVectors, running_vectors, start_vectors

pytestmark = pytest.mark.long

ROUNDS = 8
COLLECTION = "durable"
DIMENSIONS = 4
State = dict[int, int]


class Writer:
    """Writes one operation after the other. `acknowledged` is the state after the last answer, `attempted` the state
    the unanswered operation would have led to.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.acknowledged: State = {}
        self.attempted: State = {}
        self.operations = 0

    async def write_until_killed(self, client: AsyncQdrantClient) -> None:
        try:
            while True:
                await self._write(client)
                self.acknowledged = self.attempted
                self.operations += 1
        except ResponseHandlingException:
            return

    async def _write(self, client: AsyncQdrantClient) -> None:
        (act,) = self.random.choices([self._upsert, self._delete, self._delete_below, self._set_payload], [5, 1, 1, 2])
        await act(client)

    async def _upsert(self, client: AsyncQdrantClient) -> None:
        value = self.random.randint(1, 10**6)
        ids = [self.random.randint(1, 2000) for _ in range(self.random.choice([1, 20, 300]))]
        self.attempted = self.acknowledged | dict.fromkeys(ids, value)
        points = [models.PointStruct(id=i, vector={"dense": [1.0, 2.0, 3.0, i]}, payload={"value": value}) for i in ids]
        await client.upsert(COLLECTION, points, wait=True)

    async def _delete(self, client: AsyncQdrantClient) -> None:
        gone = set(self.random.sample(sorted(self.acknowledged), min(5, len(self.acknowledged))))
        self.attempted = {key: value for key, value in self.acknowledged.items() if key not in gone}
        await client.delete(COLLECTION, models.PointIdsList(points=sorted(gone)), wait=True)

    async def _delete_below(self, client: AsyncQdrantClient) -> None:
        bound = self.random.randint(1, 10**5)
        self.attempted = {key: value for key, value in self.acknowledged.items() if value >= bound}
        below = models.FieldCondition(key="value", range=models.Range(lt=bound))
        await client.delete(COLLECTION, models.FilterSelector(filter=models.Filter(must=[below])), wait=True)

    async def _set_payload(self, client: AsyncQdrantClient) -> None:
        ids = self.random.sample(sorted(self.acknowledged), min(30, len(self.acknowledged)))
        if not ids:
            return
        self.attempted = self.acknowledged | dict.fromkeys(ids, 7)
        await client.set_payload(COLLECTION, {"value": 7}, points=ids, wait=True)


async def test_acknowledged_writes_survive_kill_9(tmp_path: Path) -> None:
    writer = Writer(seed=11)
    for round_number in range(ROUNDS):
        server = start_vectors(tmp_path / "data")
        client = AsyncQdrantClient(url=server.url, check_compatibility=False, timeout=30)
        if round_number == 0:
            await _create(client)
        _settle(writer, await _state(client))
        writing = asyncio.create_task(writer.write_until_killed(client))
        await asyncio.sleep(writer.random.uniform(0.1, 0.6))
        await asyncio.to_thread(server.kill)
        await asyncio.wait_for(writing, 30)
        await client.close()
    with running_vectors(tmp_path / "data") as server:
        client = AsyncQdrantClient(url=server.url, check_compatibility=False, timeout=30)
        _settle(writer, await _state(client))
        found = await client.query_points(COLLECTION, query=[1.0, 2.0, 3.0, 4.0], using="dense", limit=5)
        await client.close()
    print(f"{ROUNDS} kills, {writer.operations} acknowledged operations, {len(writer.acknowledged)} points at the end")
    assert len(found.points) == 5
    assert writer.operations >= 10 * ROUNDS


async def test_a_stopped_server_keeps_everything(tmp_path: Path) -> None:
    for start in range(2):
        with running_vectors(tmp_path / "data") as server:
            client = AsyncQdrantClient(url=server.url, check_compatibility=False, timeout=30)
            if start == 0:
                await _create(client)
                await client.upsert(COLLECTION, [models.PointStruct(id=1, vector={"dense": [1, 0, 0, 0]})], wait=True)
                await client.update_collection_aliases([_alias("other")])
            else:
                assert (await client.count("other", exact=True)).count == 1
                assert "value" in (await client.get_collection(COLLECTION)).payload_schema
            await client.close()


async def test_dropped_collections_and_half_made_ones_leave_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_vectors(data) as server:
        client = AsyncQdrantClient(url=server.url, check_compatibility=False, timeout=30)
        await _create(client)
        await client.update_collection_aliases([_alias("other")])
        await client.delete_collection(COLLECTION)
        assert (await client.get_aliases()).aliases == []
        await client.close()
    assert [path.name for path in (data / "vectors").iterdir() if path.is_dir()] == []
    (data / "vectors" / "000009").mkdir()
    with running_vectors(data):
        assert not (data / "vectors" / "000009").exists()


def test_a_second_owner_is_refused(local_server: RunningVectors) -> None:
    with pytest.raises(RuntimeError, match="another vector server is using"):
        start_vectors(local_server.data_dir)
    assert httpx.get(f"{local_server.url}/readyz").status_code == 200


def test_the_server_ends_when_its_engine_dies(tmp_path: Path) -> None:
    server = start_vectors(tmp_path / "data")
    engine = _only_child(server.process.pid)
    engine.kill()
    assert server.process.wait(timeout=20) == 1


def test_the_engine_ends_when_its_server_dies(tmp_path: Path) -> None:
    server = start_vectors(tmp_path / "data")
    engine = _only_child(server.process.pid)
    server.process.kill()
    server.process.wait(timeout=10)
    engine.wait(timeout=10)
    with running_vectors(tmp_path / "data") as successor:
        assert httpx.get(f"{successor.url}/collections").json()["result"] == {"collections": []}


def _settle(writer: Writer, found: State) -> None:
    """Each point is as acknowledged, or as the operation that was under way left it."""
    for identifier in found.keys() | writer.acknowledged.keys() | writer.attempted.keys():
        allowed = {writer.acknowledged.get(identifier), writer.attempted.get(identifier)}
        assert found.get(identifier) in allowed, (identifier, found.get(identifier), allowed)
    writer.acknowledged = writer.attempted = found


def _only_child(pid: int) -> psutil.Process:
    (child,) = psutil.Process(pid).children()
    return child


def _alias(name: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=COLLECTION, alias_name=name))


async def _create(client: AsyncQdrantClient) -> None:
    dense = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
    await client.create_collection(COLLECTION, vectors_config={"dense": dense})
    await client.create_payload_index(COLLECTION, "value", field_schema=models.PayloadSchemaType.INTEGER, wait=True)


async def _state(client: AsyncQdrantClient) -> State:
    points, _ = await client.scroll(COLLECTION, limit=10_000)
    return {point.id: point.payload["value"] for point in points if isinstance(point.id, int) and point.payload}
