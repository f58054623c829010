"""Bad requests get a 4xx in Qdrant's shape, change nothing, and do not harm the server."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.vectors import RunningVectors, running_vectors

F32_OVERFLOW = 1e39
GOOD = {"id": 1, "vector": {"dense": [1.0, 2.0, 3.0, 4.0]}, "payload": {"tenant": "a"}}
SPARSE = {"indices": [1, 5], "values": [1.0, 0.5]}


@pytest.fixture
async def http(local_server: RunningVectors) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=local_server.url, timeout=60) as client:
        yield client


@pytest.fixture
async def path(http: httpx.AsyncClient) -> AsyncIterator[str]:
    """Path of a collection with one point."""
    path = f"/collections/refusals-{secrets.token_hex(6)}"
    shape = {"vectors": {"dense": {"size": 4, "distance": "Cosine"}}, "sparse_vectors": {"bm25": {"modifier": "idf"}}}
    assert (await http.put(path, json=shape)).status_code == 200
    assert (await http.put(f"{path}/points?wait=true", json={"points": [GOOD]})).status_code == 200
    yield path
    assert (await http.post(f"{path}/points/count", json={})).json()["result"]["count"] == 1
    await http.delete(path)


def refused(response: httpx.Response, status: int = 400) -> str:
    """Return the refusal's text."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"status", "time"}
    return str(body["status"]["error"])


def point(**changes: Any) -> dict[str, Any]:
    return {"points": [{**GOOD, "id": 2, **changes}]}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (point(vector={"dense": [1.0, 2.0]}), "expected dim: 4, got 2"),
        (point(vector={"dense": [1.0, 2.0, 3.0, F32_OVERFLOW]}), "float32"),
        (point(vector={"dense": [1.0, 2.0, 3.0, "4"]}), "Expected `float`"),
        (point(vector={"other": [1.0]}), "Not existing vector name error: other"),
        (point(vector={"dense": SPARSE}), "is dense"),
        (point(vector={"bm25": [1.0, 2.0]}), "is sparse"),
        (point(vector={"bm25": {"indices": [1, 1], "values": [1.0, 2.0]}}), "unique"),
        (point(vector={"bm25": {"indices": [1], "values": [1.0, 2.0]}}), "as many values as indices"),
        (point(vector={"bm25": {"indices": [-1], "values": [1.0]}}), ">= 0"),
        (point(vector={"bm25": {"indices": [2**32], "values": [1.0]}}), "<= 4294967295"),
        (point(vector={"bm25": {"indices": [1], "values": [-F32_OVERFLOW]}}), "float32"),
        (point(vector=[1.0, 2.0, 3.0, 4.0]), "vector"),
        (point(id="abc"), "UUID"),
        (point(id=-1), ">= 0"),
        (point(id=1.5), "Expected"),
        (point(id=2**64), "Wrong input"),
        (point(extra=1), "unknown field `extra`"),
        (point(payload=[1]), "payload"),
        ({"points": [GOOD], "batch": {"ids": [1], "vectors": {"dense": [[1, 2, 3, 4]]}}}, "either"),
        ({"batch": {"ids": [1, 2], "vectors": {"dense": [[1, 2, 3, 4]]}}}, "differ in length"),
        ({}, "either"),
    ],
)
async def test_points_that_cannot_be_stored(http: httpx.AsyncClient, path: str, body: Any, says: str) -> None:
    assert says in refused(await http.put(f"{path}/points?wait=true", json=body))


async def test_one_bad_point_refuses_the_whole_upsert(http: httpx.AsyncClient, path: str) -> None:
    points = [{**GOOD, "id": number} for number in range(10, 400)]
    points.append({**GOOD, "id": 400, "vector": {"dense": [1.0]}})
    refused(await http.put(f"{path}/points?wait=true", json={"points": points}))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="cut"),
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"query": [NaN, 1, 1, 1], "using": "dense"}', id="nan"),
        pytest.param(b'\xff\xfe{"a": 1}', id="not utf-8"),
        pytest.param(b'{"query":' + b"[" * 20_000, id="open lists"),
        pytest.param(b'{"filter":' + b'{"must":' * 20_000 + b"[]" + b"}" * 20_001, id="nested filters"),
    ],
)
async def test_bodies_that_are_no_query(http: httpx.AsyncClient, path: str, body: bytes) -> None:
    refused(await http.post(f"{path}/points/query", content=body))


@pytest.mark.parametrize(
    ("only", "says"),
    [
        ({"musst": []}, "unknown filter (musst)"),
        ({"must": [{"keey": "a"}]}, "unknown condition"),
        ({"must": [{}]}, "unknown condition"),
        ({"must": ["a"]}, "has to be an object"),
        ({"must": [{"key": "a"}]}, "exactly one"),
        ({"must": [{"key": "", "match": {"value": "a"}}]}, "key"),
        ({"must": [{"key": "a", "match": {"value": "a"}, "range": {"gt": 1}}]}, "exactly one"),
        ({"must": [{"key": "a", "match": {"valu": "a"}}]}, "unknown match"),
        ({"must": [{"key": "a", "match": {"value": "a", "any": ["a"]}}]}, "unknown match"),
        ({"must": [{"key": "a", "match": {"value": 1.5}}]}, "bad filter"),
        ({"must": [{"key": "a", "match": {"any": ["a", 1]}}]}, "bad filter"),
        ({"must": [{"key": "a[", "match": {"value": "a"}}]}, "bad filter"),
        ({"must": [{"key": "a", "range": {}}]}, "needs a bound"),
        ({"must": [{"key": "a", "range": {"gt": True}}]}, "numbers"),
        ({"must": [{"key": "a", "range": {"gt": "yesterday"}}]}, "bad filter"),
        ({"must": [{"key": "a", "range": {"above": 1}}]}, "unknown range"),
        ({"must": [{"key": "a", "is_null": "yes"}]}, "true or false"),
        ({"must": [{"key": "a", "geo_radius": {"center": {"lon": 1, "lat": 1}, "radius": 1}}]}, "not supported"),
        ({"must": [{"has_id": ["abc"]}]}, "UUID"),
        ({"must": [{"nested": {"key": "a"}}]}, "nested filter"),
        ({"must": [{"is_empty": {}}]}, "key"),
        ({"min_should": {"conditions": []}}, "min_count"),
        ({"should": [{"must": [{"must_nott": []}]}]}, "unknown condition"),
    ],
)
async def test_filters_that_are_not_understood(http: httpx.AsyncClient, path: str, only: Any, says: str) -> None:
    dense = {"query": [1, 0, 0, 0], "using": "dense"}
    assert says in refused(await http.post(f"{path}/points/query", json={**dense, "filter": only}))
    prefetch = {"prefetch": [{**dense, "filter": only}], "query": {"fusion": "rrf"}}
    refused(await http.post(f"{path}/points/query", json=prefetch))
    refused(await http.post(f"{path}/points/count", json={"filter": only}))
    refused(await http.post(f"{path}/points/scroll", json={"filter": only}))
    refused(await http.post(f"{path}/points/delete", json={"filter": only}))
    refused(await http.post(f"{path}/points/payload", json={"payload": {"a": 1}, "filter": only}))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({}, "needs a query"),
        ({"query": [1, 0, 0, 0]}, "using"),
        ({"query": [1, 0], "using": "dense"}, "expected dim: 4, got 2"),
        ({"query": [1, 0, 0, F32_OVERFLOW], "using": "dense"}, "float32"),
        ({"query": [1, 0, 0, 0], "using": "other"}, "Not existing vector name"),
        ({"query": SPARSE, "using": "dense"}, "is dense"),
        ({"query": {"recommend": {"positive": [1]}}, "using": "dense"}, "not supported"),
        ({"query": {"order_by": "tenant"}}, "not supported"),
        ({"query": {"fusion": "rrf"}}, "prefetches"),
        ({"query": {"fusion": "best"}, "prefetch": {"query": [1, 0, 0, 0], "using": "dense"}}, "unknown fusion"),
        ({"query": {"rrf": {"weights": [1]}}, "prefetch": [{"query": SPARSE, "using": "bm25"}] * 2}, "1 weights for 2"),
        ({"query": {"rrf": {"k": 0}}, "prefetch": [{"query": SPARSE, "using": "bm25"}]}, "rrf"),
        ({"query": {"fusion": "rrf"}, "prefetch": [{}]}, "needs a query"),
        ({"query": SPARSE, "using": "bm25", "limit": 0}, ">= 1"),
        ({"query": SPARSE, "using": "bm25", "offset": -1}, ">= 0"),
        ({"query": SPARSE, "using": "bm25", "params": {"idf": {"corpus": {}}}}, "unknown field `idf`"),
        ({"query": SPARSE, "using": "bm25", "lookup_from": {"collection": "x"}}, "unknown field `lookup_from`"),
        ({"query": SPARSE, "using": "bm25", "with_payload": {"include": ["a"], "exclude": ["b"]}}, "either"),
    ],
)
async def test_queries_that_make_no_sense(http: httpx.AsyncClient, path: str, query: Any, says: str) -> None:
    assert says in refused(await http.post(f"{path}/points/query", json=query))
    refused(await http.post(f"{path}/points/query/batch", json={"searches": [query]}))


async def test_prefetches_nested_without_end(http: httpx.AsyncClient, path: str) -> None:
    query: dict[str, Any] = {"query": SPARSE, "using": "bm25"}
    for _ in range(30):
        query = {"query": {"fusion": "rrf"}, "prefetch": query}
    assert "nested" in refused(await http.post(f"{path}/points/query", json=query))


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""),
        ("GET", "/aliases"),
        ("PUT", "/index"),
        ("PUT", "/points"),
        ("POST", "/points"),
        ("POST", "/points/delete"),
        ("POST", "/points/payload"),
        ("POST", "/points/count"),
        ("POST", "/points/scroll"),
        ("POST", "/points/query"),
        ("POST", "/points/query/batch"),
    ],
)
async def test_an_unknown_collection(http: httpx.AsyncClient, method: str, rest: str) -> None:
    response = await http.request(method, f"/collections/nowhere{rest}", json={})
    assert refused(response, 404) == "Not found: Collection `nowhere` doesn't exist!"


async def test_collections_and_aliases(http: httpx.AsyncClient, path: str) -> None:
    name = path.rsplit("/", 1)[1]
    dense = {"size": 4, "distance": "Cosine"}
    assert "already exists" in refused(await http.put(path, json={"vectors": {"dense": dense}}), 409)
    new = f"/collections/new-{secrets.token_hex(4)}"
    assert "named vectors" in refused(await http.put(new, json={"vectors": dense}))
    assert "needs a vector" in refused(await http.put(new, json={}))
    refused(await http.put(new, json={"vectors": {"dense": {**dense, "size": 0}}}))
    refused(await http.put(new, json={"vectors": {"dense": {**dense, "distance": "Far"}}}))
    refused(await http.put(new, json={"vectors": {"dense": dense}, "quantization_config": {"scalar": {}}}))
    assert (await http.get(f"{new}/exists")).json()["result"] == {"exists": False}
    assert (await http.delete(new)).json()["result"] is False
    for target, alias, status in (("nowhere", "x", 404), (name, name, 409), (name, "a/b", 400)):
        create = {"create_alias": {"collection_name": target, "alias_name": alias}}
        refused(await http.post("/collections/aliases", json={"actions": [create]}), status)
    refused(await http.post("/collections/aliases", json={"actions": [{}]}))
    refused(await http.put(f"{path}/index", json={"field_name": "a", "field_schema": "geo"}))


async def test_more_shards_are_not_claimed(http: httpx.AsyncClient) -> None:
    path = f"/collections/shards-{secrets.token_hex(4)}"
    shape = {"vectors": {"dense": {"size": 4, "distance": "Dot"}}, "shard_number": 4}
    assert (await http.put(path, json=shape)).status_code == 200
    assert (await http.get(path)).json()["result"]["config"]["params"]["shard_number"] == 1
    await http.delete(path)


async def test_payload_of_an_unknown_point(http: httpx.AsyncClient, path: str) -> None:
    body = {"payload": {"a": 1}, "points": [99]}
    assert "No point with id 99" in refused(await http.post(f"{path}/points/payload", json=body), 404)


async def test_requests_outside_the_api(http: httpx.AsyncClient, path: str) -> None:
    refused(await http.get("/nowhere"), 404)
    refused(await http.post(path), 405)
    refused(await http.put(f"{path}/points", content=b" " * (33 * 1024 * 1024)), 413)


async def test_searches_do_not_wait_for_a_long_upsert(http: httpx.AsyncClient, path: str) -> None:
    points = [{**GOOD, "id": number} for number in range(2, 40_000)]
    body = json.dumps({"points": points}).encode()
    upsert = asyncio.create_task(http.put(f"{path}/points?wait=true", content=body))
    answered = 0
    while not upsert.done():
        query = {"query": [1, 0, 0, 0], "using": "dense", "filter": {"must": [{"has_id": [1]}]}}
        assert (await http.post(f"{path}/points/query", json=query)).status_code == 200
        answered += 1
    assert (await upsert).status_code == 200
    assert answered >= 20
    await http.post(f"{path}/points/delete", json={"filter": {"must_not": [{"has_id": [1]}]}})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVectors]:
    with running_vectors(tmp_path_factory.mktemp("guarded") / "data", api_key="opensesame") as server:
        yield server


def test_a_key_is_asked_for(guarded: RunningVectors, tmp_path: Path) -> None:
    with httpx.Client(base_url=guarded.url) as http:
        for headers in ({}, {"api-key": ""}, {"api-key": "wrong"}, {"authorization": "Bearer wrong"}):
            assert "API key" in refused(http.get("/collections", headers=headers), 401)
        for headers in ({"api-key": "opensesame"}, {"authorization": "Bearer opensesame"}):
            assert http.get("/collections", headers=headers).status_code == 200
        for probe in ("/", "/healthz", "/livez", "/readyz"):
            assert http.get(probe).status_code == 200
