"""Search over REST: what is found, by whom, and what is written down about it."""

from typing import Any

import httpx
import pytest

from backend.academics import enrolments
from backend.documents import service as documents
from backend.identity.keys import person_key
from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.crypto import unseal
from ops.runtime.ids import DocumentId
from rag.store import QdrantVectorStore
from tests import api, campus
from tests.api import Api
from tests.tutoring import School, process_settings

GENES = "genes of a mitochondrion"


def client(running: Api, school: School, person: str = "student") -> httpx.AsyncClient:
    return running.client(authorization=f"Bearer {school.tokens[person]}")


async def search(asking: httpx.AsyncClient, text: str = GENES, **more: Any) -> list[dict[str, Any]]:
    response = await asking.post("/api/v1/search", json={"query": text, **more})
    assert response.status_code == 200, response.text
    assert response.json()["took_ms"] >= 0
    results: list[dict[str, Any]] = response.json()["results"]
    return results


async def test_results_are_exact_pieces_of_the_documents_text(here: Api, school: School) -> None:
    asking = client(here, school)
    results = await search(asking)

    assert results
    assert "37 genes" in results[0]["text"]
    for result in results:
        text = (await asking.get(f"/api/v1/documents/{result['document_id']}/text")).json()["text"]
        assert text[result["char_start"] : result["char_end"]] == result["text"]
    assert [result["score"] for result in results] == sorted((r["score"] for r in results), reverse=True)


async def test_arabic_finds_arabic(here: Api, school: School) -> None:
    results = await search(client(here, school), "جينات الميتوكوندريا", limit=1)

    assert results[0]["document_id"] == school.documents["khalia.md"]


async def test_each_person_finds_in_their_courses_only(here: Api, school: School) -> None:
    """Both courses speak of mitochondria."""
    found = {
        person: {
            result["document_id"] for result in await search(client(here, school, person), "mitochondria", limit=50)
        }
        for person in ("student", "historian", "lecturer", "administrator", "foreigner", "idle")
    }

    biology = {school.documents["cell.md"], school.documents["khalia.md"]}
    assert found["student"] == found["lecturer"] == biology
    assert found["historian"] == {school.documents["peace.md"]}
    assert found["administrator"] >= biology | {school.documents["peace.md"]}
    assert found["foreigner"] == found["idle"] == set()


async def test_a_course_narrows_the_search_and_a_foreign_one_does_not_exist(here: Api, school: School) -> None:
    admin = client(here, school, "administrator")
    results = await search(admin, "mitochondria", course_id=str(school.history))
    assert {result["document_id"] for result in results} == {school.documents["peace.md"]}

    for person in ("student", "foreigner"):
        response = await client(here, school, person).post(
            "/api/v1/search", json={"query": "mitochondria", "course_id": str(school.history)}
        )
        api.problem(response, 404, "course-not-found")


async def test_each_search_is_an_audited_act_cached_or_not(here: Api, school: School) -> None:
    user = school.id_of("student")
    for text in ("membranes of a mitochondrion", "membranes of a mitochondrion"):
        before = await query.fetch_value("SELECT count(*) FROM audit_log WHERE action = 'search.performed'")
        await search(client(here, school), text)
        assert await query.fetch_value("SELECT count(*) FROM audit_log WHERE action = 'search.performed'") == before + 1
    sealed = await query.fetch_value(
        "SELECT sealed FROM audit_log WHERE action = 'search.performed' AND user_id = $1 ORDER BY id DESC LIMIT 1", user
    )
    assert b"membranes" not in sealed
    assert unseal(await person_key(user), sealed, b"audit\x00" + user.bytes).decode() == "membranes of a mitochondrion"


async def test_without_its_audit_row_a_search_has_no_answer(
    here: Api, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no audit")

    await search(client(here, school))
    monkeypatch.setattr(UnitOfWork, "audit", refuse)
    response = await client(here, school).post("/api/v1/search", json={"query": GENES})

    assert response.status_code == 500
    assert "genes" not in response.text


async def test_a_repeated_search_asks_the_index_no_more(
    here: Api, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await search(client(here, school))

    async def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the index was asked")

    monkeypatch.setattr(QdrantVectorStore, "search_dense", refuse)
    monkeypatch.setattr(QdrantVectorStore, "search_sparse", refuse)

    assert await search(client(here, school)) == first
    assert await search(client(here, school, "lecturer")) == first


async def test_a_deleted_document_is_found_no_more_cached_or_not(here: Api, school: School) -> None:
    asking = client(here, school, "historian")
    assert await search(asking, "Tordesillas")

    await documents.delete_document(school.people["administrator"], DocumentId(school.documents["peace.md"]))

    assert await search(asking, "Tordesillas") == []


async def test_wrong_input_is_pointed_at(here: Api, school: School) -> None:
    asking = client(here, school)
    for body, pointer in (
        ({}, "/query"),
        ({"query": ""}, "/query"),
        ({"query": "x" * 1001}, "/query"),
        ({"query": "x", "limit": 0}, "/limit"),
        ({"query": "x", "limit": 51}, "/limit"),
        ({"query": "x", "course_id": "1"}, "/course_id"),
        ({"query": "x", "more": 1}, "/more"),
    ):
        response = await asking.post("/api/v1/search", json=body)
        assert api.problem(response, 400, "invalid-input")["errors"][0]["pointer"] == pointer


async def test_whoever_may_search_nowhere_is_refused(here: Api, school: School) -> None:
    api.problem(await here.public.post("/api/v1/search", json={"query": "x"}), 401, "authentication-required")
    operator = await here.signed_in(await campus.person(await campus.tenant("operators"), "operator", "ops"))
    before = await query.fetch_value("SELECT count(*) FROM audit_log WHERE action = 'search.performed'")
    refused = await operator.post("/api/v1/search", json={"query": GENES})
    api.problem(refused, 403, "permission-missing")
    assert await query.fetch_value("SELECT count(*) FROM audit_log WHERE action = 'search.performed'") == before


async def test_without_redis_search_works(school: School) -> None:
    settings = process_settings(school)
    async with api.running(school.settings.database_url, "redis://127.0.0.1:9/0", **settings) as running:
        assert "37 genes" in (await search(client(running, school)))[0]["text"]


async def test_without_the_gateway_words_alone_find_and_nothing_lesser_is_remembered(school: School) -> None:
    settings = process_settings(school, gateway_url="http://127.0.0.1:9")
    async with api.running(school.settings.database_url, school.settings.redis_url, **settings) as running:
        await running.app.state.redis.flushdb()
        assert "37 genes" in (await search(client(running, school)))[0]["text"]
        assert await running.app.state.redis.keys("lyceum:search:*") == []


async def test_without_the_index_a_search_is_unavailable(school: School) -> None:
    settings = process_settings(school, qdrant_url="http://127.0.0.1:9")
    async with api.running(school.settings.database_url, school.settings.redis_url, **settings) as running:
        await running.app.state.redis.flushdb()
        response = await client(running, school).post("/api/v1/search", json={"query": GENES})

    api.problem(response, 503, "dependency-unavailable")
    assert int(response.headers["retry-after"]) > 0


async def test_a_repeated_search_is_a_search_of_now(here: Api, school: School) -> None:
    """The key of the first search gives back nothing of it."""
    admin = school.people["administrator"]
    await enrolments.enrol(admin, school.biology, school.id_of("idle"))
    asking = client(here, school, "idle")
    asked = "SELECT count(*) FROM audit_log WHERE action = 'search.performed' AND user_id = $1"
    before = await query.fetch_value(asked, school.id_of("idle"))
    first = await asking.post("/api/v1/search", json={"query": GENES}, headers={"idempotency-key": "s-1"})
    assert "37 genes" in first.text
    await query.execute("UPDATE enrolments SET ended_at = now() WHERE user_id = $1", school.id_of("idle"))

    again = await asking.post("/api/v1/search", json={"query": GENES}, headers={"idempotency-key": "s-1"})

    assert again.status_code == 200, again.text
    assert again.json()["results"] == []
    assert await query.fetch_value(asked, school.id_of("idle")) == before + 2
    assert await query.fetch_value("SELECT count(*) FROM idempotency_keys") == 0
