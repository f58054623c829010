"""One collection without a server: what happens to its files."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.local.vectors.catalogue import CollectionEntry
from ops.local.vectors.collection import Collection
from ops.local.vectors.wire import (
    Count,
    FieldIndex,
    PointSelection,
    PointStruct,
    Query,
    SparseVector,
    SparseVectorParameters,
    Upsert,
    VectorParameters,
)

ENTRY = CollectionEntry(
    folder="000001",
    vectors={"dense": VectorParameters(size=4, distance="Cosine")},
    sparse_vectors={"bm25": SparseVectorParameters(modifier="idf")},
)
POINTS = 3000
KEPT = {"must": [{"key": "kept", "match": {"value": "yes"}}]}


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """3,000 points, every third of them to be kept."""
    generator = random.Random(1)
    collection = Collection.create(ENTRY, tmp_path)
    collection.create_index(FieldIndex(field_name="kept", field_schema="keyword"))
    points = [
        PointStruct(
            id=number,
            vector={
                "dense": [generator.gauss(0, 1) for _ in range(4)],
                "bm25": SparseVector(indices=[number % 50, 50 + number % 7], values=[1.0, 0.5]),
            },
            payload={"kept": "no" if number % 3 else "yes"},
        )
        for number in range(POINTS)
    ]
    assert len(list(collection.upsert(Upsert(points=points)))) == -(-POINTS // 64)
    yield collection
    collection.close()


def answers(collection: Collection) -> list[list[tuple[int, float]]]:
    queries = [
        Query(query=[1.0, 0.5, 0.0, -0.5], using="dense", filter=KEPT, limit=20),
        Query(query={"indices": [3], "values": [1.0]}, using="bm25", filter=KEPT, limit=30),
    ]
    return [[(point["id"], point["score"]) for point in points] for points in collection.query(queries)]


def test_a_vacuum_drops_deleted_points_and_nothing_else(collection: Collection) -> None:
    collection.delete(PointSelection(filter={"must_not": KEPT["must"]}))
    dense, sparse = answers(collection)
    assert collection.vacuum() is not None
    assert collection.vacuum() is None
    after_dense, after_sparse = answers(collection)
    assert after_dense == dense
    assert {number for number, _ in after_sparse} == {number for number, _ in sparse}
    assert collection.count(Count(filter=KEPT)) == collection.count(Count()) == POINTS // 3
    assert collection.info()["payload_schema"]["kept"]["points"] == POINTS // 3


def test_a_vacuum_without_need_does_nothing(collection: Collection) -> None:
    before = answers(collection)
    assert collection.vacuum() is None
    assert answers(collection) == before


def test_a_vacuumed_collection_can_be_opened_again(collection: Collection, tmp_path: Path) -> None:
    collection.delete(PointSelection(filter={"must_not": KEPT["must"]}))
    collection.vacuum()
    expected = answers(collection)
    collection.close()
    again = Collection.load(ENTRY, tmp_path)
    assert answers(again) == expected
    again.close()
