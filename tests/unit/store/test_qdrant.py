"""The store's requests, seen by a transport that stands for the network."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from qdrant_client import AsyncQdrantClient

from rag.scope import Scope, ScopedCourse
from rag.store import (
    QdrantVectorStore,
    SparseVector,
    VectorStoreError,
    VectorStoreUnavailable,
    open_vector_store,
)
from rag.store.schema import collection_name
from rag.store.scoping import scope_filter

EMPTY = Scope(tenant_id=UUID(int=1), courses=())
COURSE = ScopedCourse(course_id=UUID(int=30), faculty_id=UUID(int=10), semester_id=UUID(int=20), document_set_version=1)
SCOPE = Scope(tenant_id=UUID(int=1), courses=(COURSE,))
DENSE = [0.5, 0.5]
SPARSE = SparseVector((3, 9), (1.0, 2.0))


class Network:
    """Answers every request with `status` and keeps what was sent."""

    def __init__(self, status: int = 200, error: Exception | None = None) -> None:
        self.sent: list[tuple[str, str, Any]] = []
        self._status, self._error = status, error

    def store(self) -> QdrantVectorStore:
        transport = httpx.MockTransport(self._answer)
        return QdrantVectorStore(
            AsyncQdrantClient(url="http://vectors.test", check_compatibility=False, transport=transport)
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append((request.method, request.url.path, json.loads(request.content or b"null")))
        if self._error is not None:
            raise self._error
        if self._status != 200:
            return httpx.Response(self._status, json={"status": {"error": "no"}, "time": 0.0})
        result = {"points": []} if request.url.path.endswith("/query") else {"count": 4}
        return httpx.Response(200, json={"result": result, "status": "ok", "time": 0.0})


async def test_every_search_carries_the_scope() -> None:
    network = Network()
    store = network.store()
    await store.search_dense(DENSE, SCOPE, 5)
    await store.search_sparse(SPARSE, SCOPE, 5)
    await store.count(SCOPE)
    expected = json.loads(scope_filter(SCOPE).model_dump_json(exclude_none=True))
    dense, sparse, count = (body for _, _, body in network.sent)
    assert dense["filter"] == sparse["filter"] == count["filter"] == expected
    assert (dense["using"], sparse["using"]) == ("dense", "bm25")
    assert {path for _, path, _ in network.sent} == {
        "/collections/passages/points/query",
        "/collections/passages/points/count",
    }


async def test_an_empty_scope_or_an_empty_question_calls_nobody() -> None:
    network = Network()
    store = network.store()
    assert await store.search_dense(DENSE, EMPTY, 5) == []
    assert await store.search_sparse(SPARSE, EMPTY, 5) == []
    assert await store.count(EMPTY) == 0
    assert await store.search_sparse(SparseVector(), SCOPE, 5) == []
    assert await store.search_dense([], SCOPE, 5) == []
    await store.delete_points([])
    await store.upsert([])
    assert network.sent == []


@pytest.mark.parametrize("status", [404, 429, 500, 503])
async def test_a_server_that_cannot_now(status: int) -> None:
    with pytest.raises(VectorStoreUnavailable):
        await Network(status).store().search_dense(DENSE, SCOPE, 5)


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])
async def test_a_server_that_does_not_answer(error: Exception) -> None:
    store = Network(error=error).store()
    for call in (store.health(), store.search_sparse(SPARSE, SCOPE, 5), store.delete_document(UUID(int=1))):
        with pytest.raises(VectorStoreUnavailable):
            await call


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_server_that_refuses(status: int) -> None:
    with pytest.raises(VectorStoreError) as caught:
        await Network(status).store().search_dense(DENSE, SCOPE, 5)
    assert not isinstance(caught.value, VectorStoreUnavailable)


async def test_opening_makes_no_call() -> None:
    store = open_vector_store("http://127.0.0.1:9", "a key")
    with pytest.raises(VectorStoreUnavailable):
        await store.health()
    await store.close()


def test_collections_are_named_by_model_and_dimensions() -> None:
    name = collection_name("sentence-transformers/all-MiniLM-L6-v2", 384)
    assert name.startswith("passages-sentence-transformers-all-minilm-l6-v2-384-")
    others = {collection_name(model, size) for model, size in [("A/b", 384), ("a-b", 384), ("A/b", 768), ("/", 8)]}
    assert len(others) == 4
    assert all(len(other) < 100 for other in others)
