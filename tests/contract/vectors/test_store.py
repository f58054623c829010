"""`QdrantVectorStore` on the local server. Not on others: it moves the alias that searches use."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from rag.scope import Scope, ScopedCourse
from rag.store import (
    Hit,
    PassagePoint,
    QdrantVectorStore,
    VectorStoreUnavailable,
    document_vector,
    open_vector_store,
    passage_point_id,
    query_vector,
)
from tests.vectors import RunningVectors, running_vectors

DIMENSIONS = 8
MODEL = "tests/embedder"
COURSES = 8
WORDS = [f"word{number}" for number in range(40)]


class Library:
    """Documents of some courses in two tenants: course n belongs to tenant n % 2, faculty n % 4, semester n % 3."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.points: dict[UUID, PassagePoint] = {}

    def document(self, number: int, course: int, *, version: int = 1, passages: int = 12) -> list[PassagePoint]:
        points = [self._passage(UUID(int=number), course, version, ordinal) for ordinal in range(passages)]
        self.points |= {point.passage_id: point for point in points}
        return points

    def scope(self, *courses: int) -> Scope:
        scoped = sorted(_scoped(course) for course in courses)
        return Scope(tenant_id=_tenant(courses[0]), courses=tuple(scoped))

    def dense(self) -> list[float]:
        return [self.random.gauss(0, 1) for _ in range(DIMENSIONS)]

    def words(self, count: int) -> list[str]:
        return self.random.choices(WORDS, k=count)

    def _passage(self, document_id: UUID, course: int, version: int, ordinal: int) -> PassagePoint:
        scoped = _scoped(course)
        return PassagePoint(
            passage_id=passage_point_id(document_id, version, ordinal),
            tenant_id=_tenant(course),
            faculty_id=scoped.faculty_id,
            semester_id=scoped.semester_id,
            course_id=scoped.course_id,
            document_id=document_id,
            version=version,
            language="en",
            dense=self.dense() if ordinal % 4 else None,
            sparse=document_vector(self.words(30)),
        )


def _tenant(course: int) -> UUID:
    return UUID(int=1 + course % 2)


def _scoped(course: int) -> ScopedCourse:
    return ScopedCourse(
        course_id=UUID(int=100 + course),
        faculty_id=UUID(int=200 + course % 4),
        semester_id=UUID(int=300 + course % 3),
        document_set_version=1,
    )


@pytest.fixture
async def store(local_server: RunningVectors) -> AsyncIterator[QdrantVectorStore]:
    store = open_vector_store(local_server.url)
    yield store
    await store.close()


@pytest.fixture
async def library(store: QdrantVectorStore, request: pytest.FixtureRequest) -> Library:
    """Three documents in each course, in a collection of the test's own."""
    library = Library(seed=5)
    assert (await store.ensure_collection(f"{MODEL}/{request.node.name}", DIMENSIONS)).created
    for number in range(3 * COURSES):
        await store.upsert(library.document(number, course=number % COURSES))
    return library


async def every_search(store: QdrantVectorStore, library: Library, scope: Scope, limit: int = 20) -> list[list[Hit]]:
    dense, sparse = library.dense(), query_vector(library.words(4))
    return [
        await store.search_dense(dense, scope, limit),
        await store.search_sparse(sparse, scope, limit),
    ]


async def test_nothing_is_found_outside_the_scope(store: QdrantVectorStore, library: Library) -> None:
    found = 0
    for _ in range(60):
        tenant = library.random.randint(0, 1)
        courses = library.random.sample(range(tenant, COURSES, 2), library.random.randint(1, 3))
        scope = library.scope(*courses)
        for hits in await every_search(store, library, scope):
            assert {hit.course_id for hit in hits} <= scope.course_ids
            assert all(library.points[hit.passage_id].tenant_id == scope.tenant_id for hit in hits)
            found += len(hits)
    assert found > 700


@pytest.mark.parametrize("field", ["tenant_id", "faculty_id", "semester_id", "course_id"])
async def test_each_id_of_the_scope_counts(store: QdrantVectorStore, library: Library, field: str) -> None:
    scope = library.scope(2)
    foreign = UUID(int=999)
    if field == "tenant_id":
        scope = msgspec.structs.replace(scope, tenant_id=foreign)
    else:
        scope = msgspec.structs.replace(scope, courses=(msgspec.structs.replace(scope.courses[0], **{field: foreign}),))
    assert await every_search(store, library, scope) == [[], []]
    assert await store.count(scope) == 0
    assert await store.count(library.scope(2)) == 36


async def test_hits_tell_where_they_come_from(store: QdrantVectorStore, library: Library) -> None:
    point = next(point for point in library.points.values() if point.dense is not None)
    hit, *_ = await store.search_dense(point.dense or [], library.scope(*range(0, COURSES, 2)), 3)
    assert hit.passage_id == point.passage_id
    assert (hit.document_id, hit.version, hit.course_id) == (point.document_id, point.version, point.course_id)
    assert hit.score == pytest.approx(1.0, abs=1e-4)


async def test_passages_without_a_dense_vector_are_found_by_their_words_only(
    store: QdrantVectorStore, library: Library
) -> None:
    scope = library.scope(0, 2, 4, 6)
    by_meaning = await store.search_dense(library.dense(), scope, 500)
    by_words = await store.search_sparse(query_vector(WORDS), scope, 500)
    assert len(by_words) == 144
    assert len(by_meaning) == 108
    assert all(library.points[hit.passage_id].dense is not None for hit in by_meaning)


async def test_indexing_twice_changes_nothing(store: QdrantVectorStore, library: Library) -> None:
    scope = library.scope(3)
    before = await store.search_dense(dense := library.dense(), scope, 50), await store.count()
    await store.upsert([point for point in library.points.values() if point.course_id in scope.course_ids])
    assert (await store.search_dense(dense, scope, 50), await store.count()) == before


async def test_a_new_version_replaces_the_old_one(store: QdrantVectorStore, library: Library) -> None:
    document = UUID(int=4)
    await store.upsert(library.document(4, course=4, version=2, passages=5))
    assert await store.count(document_id=document) == 17
    await store.delete_document(document, below_version=2)
    assert await store.count(document_id=document) == 5
    hits = await store.search_sparse(query_vector(WORDS), library.scope(4), 500)
    assert {hit.version for hit in hits if hit.document_id == document} == {2}
    await store.delete_document(document)
    assert await store.count(document_id=document) == 0
    assert await store.count() == 3 * COURSES * 12 - 12


async def test_points_are_deleted_by_id(store: QdrantVectorStore, library: Library) -> None:
    gone = [passage_point_id(UUID(int=1), 1, ordinal) for ordinal in range(4)]
    await store.delete_points([*gone, UUID(int=12345)])
    assert await store.count(document_id=UUID(int=1)) == 8


async def test_a_moved_course_is_found_under_its_new_faculty_and_semester(
    store: QdrantVectorStore, library: Library
) -> None:
    old = library.scope(5)
    await store.move_course(old.courses[0].course_id, faculty_id=UUID(int=990), semester_id=UUID(int=991))
    moved = msgspec.structs.replace(old.courses[0], faculty_id=UUID(int=990), semester_id=UUID(int=991))
    new = msgspec.structs.replace(old, courses=(moved,))
    assert await store.count(old) == 0
    assert await store.count(new) == 36
    assert all(await every_search(store, library, new))
    assert await store.count(library.scope(1)) == 36


async def test_processes_may_make_the_collection_at_once(store: QdrantVectorStore) -> None:
    made = await asyncio.gather(*(store.ensure_collection("tests/raced", DIMENSIONS) for _ in range(6)))
    assert [collection.created for collection in made].count(True) == 1
    assert await store.count() == 0


async def test_another_model_gets_a_collection_of_its_own(store: QdrantVectorStore, library: Library) -> None:
    assert await store.count() > 0
    await store.ensure_collection("tests/other", 3)
    assert await store.count() == 0
    await store.ensure_collection(f"{MODEL}/test_another_model_gets_a_collection_of_its_own", DIMENSIONS)
    assert await store.count() == len(library.points)


async def test_before_the_collection_is_made(tmp_path: Path) -> None:
    with running_vectors(tmp_path / "data") as server:
        fresh = open_vector_store(server.url)
        await fresh.health()
        with pytest.raises(VectorStoreUnavailable, match="not made yet"):
            await fresh.count()
        await fresh.close()
