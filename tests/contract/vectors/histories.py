"""Random operations and searches, the same for the same seed."""

import random
from uuid import UUID

from qdrant_client import models

from tests.contract.vectors.pair import BM25, DENSE, DIMENSIONS, PLAIN, Pair

TENANTS = ["t1", "t2", "t3"]
COURSES = [f"c{number}" for number in range(6)]
TAGS = ["red", "green", "blue", "أحمر"]
VOCABULARY = 60
MAX_DEPTH = 2


class History:
    """A growing random history on a pair. `done` counts the operations by kind."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair = pair
        self.random = random.Random(seed)
        self.known: list[int | str] = []
        self.done: dict[str, int] = {}

    async def step(self) -> None:
        """Apply one random operation to both sides."""
        kinds = {
            "insert": self.insert,
            "overwrite": self.overwrite,
            "delete_ids": self.delete_ids,
            "delete_filter": self.delete_filter,
            "set_payload_ids": self.set_payload_ids,
            "set_payload_filter": self.set_payload_filter,
        }
        (kind,) = self.random.choices(list(kinds), weights=[6, 2, 1, 1, 1, 1])
        await kinds[kind]()
        self.done[kind] = self.done.get(kind, 0) + 1

    async def insert(self) -> None:
        ids = [self._new_id() for _ in range(self.random.randint(1, 25))]
        self.known += ids
        await self._upsert(ids)

    async def overwrite(self) -> None:
        await self._upsert(self._some_ids())

    async def delete_ids(self) -> None:
        if not (ids := self._some_ids()):
            return
        await self.pair.both(lambda client, name: client.delete(name, models.PointIdsList(points=ids), wait=True))
        self._forget(set(ids))

    async def delete_filter(self) -> None:
        # Two conditions keep the history from being emptied again and again.
        only = models.Filter(must=[self.condition(MAX_DEPTH), _equals("course", self.random.choice(COURSES))])
        await self.pair.both(lambda client, name: client.delete(name, models.FilterSelector(filter=only), wait=True))
        left, _ = await self.pair.server.scroll(self.pair.name, limit=10_000, with_payload=False)
        self._forget(set(self.known) - {point.id for point in left})

    async def set_payload_ids(self) -> None:
        ids, payload = self._some_ids(), {"course": self.random.choice(COURSES), "moved": True}
        if ids:
            await self.pair.both(lambda client, name: client.set_payload(name, payload, points=ids, wait=True))

    async def set_payload_filter(self) -> None:
        only, payload = self.filter(), {"version": self.random.randint(0, 5)}
        await self.pair.both(lambda client, name: client.set_payload(name, payload, points=only, wait=True))

    def filter(self) -> models.Filter:
        """Return a random filter of up to four clauses."""
        clauses: dict[str, object] = {}
        for clause in ("must", "should", "must_not"):
            if self.random.random() < 0.4:
                clauses[clause] = [self.condition(MAX_DEPTH) for _ in range(self.random.randint(1, 3))]
        if self.random.random() < 0.15:
            conditions = [self.condition(MAX_DEPTH) for _ in range(3)]
            clauses["min_should"] = models.MinShould(conditions=conditions, min_count=self.random.randint(1, 3))
        return models.Filter(**clauses)

    def condition(self, depth: int) -> models.Condition:
        """Return a random condition of any kind the server knows."""
        pick = self.random
        kinds = [
            lambda: _equals("tenant", pick.choice(TENANTS)),
            lambda: _equals("version", pick.randint(0, 6)),
            lambda: _equals("visible", pick.random() < 0.5),
            lambda: _field("course", match=models.MatchAny(any=pick.sample(COURSES, 2))),
            lambda: _field("tags", match=models.MatchAny(any=pick.sample(TAGS, 2))),
            lambda: _field("course", match=models.MatchExcept(**{"except": pick.sample(COURSES, 2)})),
            lambda: _field("title", match=models.MatchText(text=pick.choice(["alpha", "gamma beta", "الجبر"]))),
            lambda: _field("version", range=models.Range(gte=pick.randint(0, 3), lt=pick.randint(3, 6))),
            lambda: _field("weight", range=models.Range(gt=pick.random())),
            lambda: _field("tags", values_count=models.ValuesCount(gte=pick.randint(1, 2))),
            lambda: models.IsEmptyCondition(is_empty=models.PayloadField(key="tags")),
            lambda: models.IsNullCondition(is_null=models.PayloadField(key="note")),
            lambda: models.HasIdCondition(has_id=self._some_ids()),
            lambda: models.HasVectorCondition(has_vector=DENSE),
            lambda: models.NestedCondition(nested=models.Nested(key="parts", filter=self._part())),
        ]
        if depth and pick.random() < 0.15:
            return models.Filter(should=[self.condition(depth - 1), self.condition(depth - 1)])
        return pick.choice(kinds)()

    def dense(self) -> list[float]:
        return [self.random.gauss(0, 1) for _ in range(DIMENSIONS)]

    def sparse(self) -> models.SparseVector:
        indices = self.random.sample(range(VOCABULARY), self.random.randint(1, 12))
        return models.SparseVector(indices=indices, values=[self.random.uniform(0.1, 2) for _ in indices])

    async def _upsert(self, ids: list[int | str]) -> None:
        points = [self._point(identifier) for identifier in ids]
        if not points:
            return
        columns = all(set(point.vector) == {DENSE, PLAIN, BM25} for point in points) and self.random.random() < 0.5
        body = _columns(points) if columns else points
        await self.pair.both(lambda client, name: client.upsert(name, body, wait=True))

    def _point(self, identifier: int | str) -> models.PointStruct:
        pick = self.random
        vectors: dict[str, object] = {PLAIN: self.sparse(), BM25: self.sparse()}
        if pick.random() < 0.8:
            vectors[DENSE] = self.dense()
        payload: dict[str, object] = {
            "tenant": pick.choice(TENANTS),
            "course": pick.choice(COURSES),
            "version": pick.randint(0, 5),
            "visible": pick.random() < 0.5,
            "weight": round(pick.random(), 3),
            "title": " ".join(pick.sample(["alpha", "beta", "gamma", "delta", "الجبر", "الخطي"], 3)),
            "parts": [{"kind": pick.choice("ab"), "size": pick.randint(0, 4)} for _ in range(pick.randint(0, 3))],
        }
        if pick.random() < 0.7:
            payload["tags"] = pick.sample(TAGS, pick.randint(0, 3))
        if pick.random() < 0.5:
            payload["note"] = pick.choice([None, "x"])
        return models.PointStruct(id=identifier, vector=vectors, payload=payload)

    def _part(self) -> models.Filter:
        return models.Filter(
            must=[
                _equals("kind", self.random.choice("ab")),
                _field("size", range=models.Range(gte=self.random.randint(0, 4))),
            ]
        )

    def _new_id(self) -> int | str:
        if self.random.random() < 0.3:
            return self.random.getrandbits(40)
        return str(UUID(int=self.random.getrandbits(128)))

    def _some_ids(self) -> list[int | str]:
        return self.random.sample(self.known, min(len(self.known), self.random.randint(1, 12)))

    def _forget(self, gone: set[int | str]) -> None:
        self.known = [identifier for identifier in self.known if identifier not in gone]


def _equals(key: str, value: str | int | bool) -> models.FieldCondition:
    return _field(key, match=models.MatchValue(value=value))


def _field(key: str, **predicate: object) -> models.FieldCondition:
    return models.FieldCondition(key=key, **predicate)


def _columns(points: list[models.PointStruct]) -> models.Batch:
    return models.Batch(
        ids=[point.id for point in points],
        vectors={name: [point.vector[name] for point in points] for name in (DENSE, PLAIN, BM25)},
        payloads=[point.payload for point in points],
    )
