"""The tutor inside the test's process: what is stored, what is cached, and what happens when parts are missing."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from backend.documents import passages as documents_passages
from backend.documents import service as documents
from backend.identity.keys import person_key
from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.crypto import unseal
from ops.runtime.redis import open_redis
from tests import api
from tests.api import Api
from tests.tutoring import Replicas, School, process_settings

GENES = "How many genes does a mitochondrion hold?"
NOWHERE = "redis://127.0.0.1:9/0"


@pytest.fixture
def school(campus_replicas: Replicas) -> School:
    return campus_replicas.school


@pytest.fixture
async def here(school: School) -> AsyncIterator[Api]:
    """The application in this process."""
    async with api.running(
        school.settings.database_url, school.settings.redis_url, **process_settings(school)
    ) as running:
        await running.app.state.redis.flushdb()
        yield running


def client(running: Api, school: School, person: str = "student") -> httpx.AsyncClient:
    return running.client(authorization=f"Bearer {school.tokens[person]}")


async def ask(asking: httpx.AsyncClient, message: str = GENES, **more: str) -> dict[str, Any]:
    response = await asking.post("/api/v1/chat", json={"message": message, **more})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_each_question_is_an_audited_act_with_its_text_sealed(here: Api, school: School) -> None:
    asking = client(here, school)
    for _ in range(2):  # the second answer comes from the cache
        answer = await ask(asking)
        row = await query.fetch_value(
            "SELECT sealed FROM audit_log WHERE action = 'chat.asked' AND metadata->>'message_id' = $1",
            answer["message_id"],
        )
        user = school.id_of("student")
        assert GENES.encode() not in row
        assert unseal(await person_key(user), row, b"audit\x00" + user.bytes).decode() == GENES


async def test_without_its_audit_row_no_question_is_answered(
    here: Api, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no audit")

    monkeypatch.setattr(UnitOfWork, "audit", refuse)
    before = await query.fetch_value("SELECT count(*) FROM chat_turns")
    response = await client(here, school).post("/api/v1/chat", json={"message": GENES})

    assert response.status_code == 500
    assert await query.fetch_value("SELECT count(*) FROM chat_turns") == before


async def test_nothing_a_person_wrote_or_read_is_stored_in_the_clear(here: Api, school: School) -> None:
    answer = await ask(client(here, school))

    row = await query.fetch_value("SELECT t::text FROM chat_turns t WHERE id = $1", answer["message_id"])
    session = await query.fetch_value("SELECT s::text FROM chat_sessions s WHERE id = $1", answer["session_id"])
    assert "genes" not in row
    assert "genes" not in session


async def test_the_record_tells_how_to_make_the_answer_again(here: Api, school: School) -> None:
    answer = await ask(client(here, school), "How many chloroplasts does a leaf cell hold?")

    record = json.loads(await query.fetch_value("SELECT record FROM chat_turns WHERE id = $1", answer["message_id"]))
    assert record["by"] == "quoting"
    assert record["passages"]
    assert record["embedder"] == "0" * 64


async def test_a_deleted_document_is_withdrawn_from_history_cache_and_answers(here: Api, school: School) -> None:
    from ops.runtime.ids import DocumentId

    question = "Which lands did the treaty of Tordesillas divide between Portugal and Castile?"
    asking = client(here, school, "historian")
    answer = await ask(asking, question)
    assert "Tordesillas" in answer["answer"]
    events = f"/api/v1/chat/messages/{answer['message_id']}/events"
    before = (await asking.get(events)).json()["items"]

    await documents.delete_document(school.people["administrator"], DocumentId(school.documents["peace.md"]))

    history = (await asking.get(f"/api/v1/chat/sessions/{answer['session_id']}")).json()["turns"][0]
    assert "Tordesillas" not in history["answer"]
    assert "no longer available" in history["answer"]
    assert history["citations"][0]["withdrawn"]
    assert history["citations"][0]["quote"] is None
    assert history["citations"][0]["title"] == answer["citations"][0]["title"]
    again = (await asking.get(events)).json()["items"]
    assert [item["seq"] for item in again] == [item["seq"] for item in before]
    assert "1494" not in json.dumps(again)
    assert (await ask(asking, question))["verdict"] == "not_in_material"


async def test_whoever_leaves_the_course_no_longer_reads_what_it_said(here: Api, school: School) -> None:
    from backend.academics import enrolments

    admin = school.people["administrator"]
    await enrolments.enrol(admin, school.biology, school.id_of("idle"))
    asking = client(here, school, "idle")
    answer = await ask(asking)
    assert "37 genes" in answer["answer"]

    await query.execute(
        "UPDATE enrolments SET ended_at = now() WHERE user_id = $1 AND course_id = $2",
        school.id_of("idle"),
        school.biology,
    )

    history = (await asking.get(f"/api/v1/chat/sessions/{answer['session_id']}")).json()["turns"][0]
    assert "37" not in history["answer"]
    assert all(citation["withdrawn"] for citation in history["citations"])


async def test_with_the_index_wide_open_postgres_still_decides(
    here: Api, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    _open_the_index(monkeypatch)

    answer = await ask(client(here, school, "historian"), "How many genes does a mitochondrion hold of its own?")

    assert "37" not in answer["answer"]


async def test_without_index_filter_and_recheck_the_foreign_passage_would_show(
    here: Api, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two guards are what holds: with both taken away the test before this one fails."""
    _open_the_index(monkeypatch)
    served = documents_passages.passages.served

    async def everything(ids: Any, tenant_id: Any, _course_ids: Any) -> Any:
        courses = await query.fetch_values("SELECT id FROM courses")
        return await served(ids, tenant_id, courses)

    monkeypatch.setattr(documents_passages.passages, "served", everything)

    answer = await ask(client(here, school, "historian"), "How many genes does a mitochondrion hold of its very own?")

    assert "37" in answer["answer"]


def _open_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    from qdrant_client import models

    from rag.store import qdrant

    monkeypatch.setattr(qdrant, "scope_filter", lambda scope, *more: models.Filter(must=list(more)))


async def test_without_redis_json_answers_still_come(school: School) -> None:
    async with api.running(school.settings.database_url, NOWHERE, **process_settings(school)) as running:
        asking = client(running, school)
        answer = await ask(asking)
        events = await asking.get(f"/api/v1/chat/messages/{answer['message_id']}/events")

    assert "37 genes" in answer["answer"]
    assert events.json()["done"]


async def test_without_the_gateway_words_alone_are_searched(school: School) -> None:
    settings = process_settings(school, gateway_url="http://127.0.0.1:9")
    async with api.running(school.settings.database_url, school.settings.redis_url, **settings) as running:
        answer = await ask(client(running, school), "How many genes does one mitochondrion hold?")
        record = await query.fetch_value("SELECT record FROM chat_turns WHERE id = $1", answer["message_id"])

    assert "37 genes" in answer["answer"]
    assert json.loads(record)["lesser"]


async def test_without_the_index_the_question_is_kept_and_the_answer_is_a_problem(school: School) -> None:
    settings = process_settings(school, qdrant_url="http://127.0.0.1:9")
    async with api.running(school.settings.database_url, school.settings.redis_url, **settings) as running:
        asking = client(running, school)
        response = await asking.post("/api/v1/chat", json={"message": "How many genes has a mitochondrion?"})
        sessions = (await asking.get("/api/v1/chat/sessions")).json()["items"]
        turn = (await asking.get(f"/api/v1/chat/sessions/{sessions[0]['id']}")).json()["turns"][0]

    api.problem(response, 503, "answer-failed")
    assert int(response.headers["retry-after"]) > 0
    assert turn["state"] == "failed"
    assert turn["question"] == "How many genes has a mitochondrion?"


async def test_a_stream_that_is_lost_is_rebuilt_from_the_stored_turn(here: Api, school: School) -> None:
    asking = client(here, school)
    answer = await ask(asking, "By how many membranes is a mitochondrion bounded?")
    redis = open_redis(school.settings.redis_url)
    streams = await redis.keys(f"chat:{answer['message_id']}:events")
    await redis.flushdb()
    await redis.aclose()

    events = (await asking.get(f"/api/v1/chat/messages/{answer['message_id']}/events")).json()

    assert streams
    assert events["done"]
    assert [item["seq"] for item in events["items"]] == list(range(1, len(events["items"]) + 1))
    assert events["items"][-1]["answer"]["answer"] == answer["answer"]


async def test_a_reader_who_leaves_ends_no_answer(here: Api, school: School) -> None:
    asking = client(here, school)
    request = asyncio.create_task(
        asking.post("/api/v1/chat", json={"message": "What do chloroplasts turn into sugar?"})
    )
    while not await query.fetch_value("SELECT count(*) FROM chat_turns WHERE state = 'open'"):
        if request.done():
            break
        await asyncio.sleep(0.001)
    request.cancel()

    async with asyncio.timeout(10):
        while await query.fetch_value("SELECT count(*) FROM chat_turns WHERE state = 'open'"):
            await asyncio.sleep(0.02)
    assert await query.fetch_value("SELECT state FROM chat_turns ORDER BY id DESC LIMIT 1") == "done"


async def test_a_repeated_request_with_its_key_is_one_question(here: Api, school: School) -> None:
    asking = client(here, school)
    before = await query.fetch_value("SELECT count(*) FROM chat_turns")
    first, again = [await keyed(asking, "q-1") for _ in range(2)]

    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert (await keyed(asking, "q-1", "Another question?")).status_code == 422
    assert await query.fetch_value("SELECT count(*) FROM chat_turns") == before + 1
    assert await query.fetch_values("SELECT body FROM idempotency_keys WHERE key = 'q-1'") == [b""]


async def test_a_repeated_question_is_answered_from_what_may_be_read_now(here: Api, school: School) -> None:
    from backend.academics import enrolments

    await enrolments.enrol(school.people["administrator"], school.biology, school.id_of("historian"))
    asking = client(here, school, "historian")
    first = (await keyed(asking, "q-2")).json()
    assert "37 genes" in first["answer"]
    await query.execute(
        "UPDATE enrolments SET ended_at = now() WHERE user_id = $1 AND course_id = $2",
        school.id_of("historian"),
        school.biology,
    )

    again = (await keyed(asking, "q-2")).json()

    assert again["message_id"] == first["message_id"]
    assert "37" not in again["answer"]
    assert [(view["withdrawn"], view["quote"]) for view in again["citations"]] == [(True, None)] * len(
        first["citations"]
    )


async def keyed(asking: httpx.AsyncClient, key: str, message: str = GENES) -> httpx.Response:
    return await asking.post("/api/v1/chat", json={"message": message}, headers={"idempotency-key": key})


async def test_open_answers_whose_process_is_gone_do_not_count(here: Api, school: School) -> None:
    asking = client(here, school)
    answer = await ask(asking, "What is bounded by two membranes?")
    await query.execute(
        """INSERT INTO chat_turns (id, tenant_id, session_id, user_id, ordinal, question_sealed, language, state, degraded,
                                   record, created_at)
           SELECT gen_random_uuid(), tenant_id, session_id, user_id, ordinal + n, question_sealed, '', 'open', false, '{}',
                  now() - interval '20 seconds'
           FROM chat_turns, generate_series(10, 11) n WHERE id = $1""",
        answer["message_id"],
    )

    again = await ask(asking, "What is bounded by two membranes in a cell?")

    assert again["answer"]
    assert await query.fetch_value("SELECT count(*) FROM chat_turns WHERE state = 'interrupted'") == 2


async def test_redis_that_fails_in_the_middle_costs_no_event(here: Api, school: School) -> None:
    """The stream is flushed and its server forgets everything between two events: readers here and later get them all."""
    tutor = here.app.state.tutor
    subject = school.people["student"]
    from backend.chat.schemas import ChatRequest

    turn, reader = await tutor.ask(
        subject, ChatRequest(message="What do chloroplasts turn sunlight into, and how many?")
    )
    frames = list(await reader.read(5))
    await here.app.state.redis.flushdb()
    while not frames[-1].is_last:
        frames += await reader.read(5)

    later = await tutor.follow(subject, turn.id, 0)
    assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
    assert [frame.data for frame in await later.read(1)] == [frame.data for frame in frames]


async def test_an_ending_that_nobody_foresaw_still_ends_the_answer(
    here: Api, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> bool:
        raise RuntimeError("a defect")

    monkeypatch.setattr("backend.chat.producer.close_turn", fail)
    async with asyncio.timeout(20):
        answer = await ask(client(here, school))
    assert (bool(answer["answer"]), answer["verdict"]) == (True, "partly")
    left = await query.fetch_values("DELETE FROM chat_turns WHERE state = 'open' RETURNING id")
    assert [str(turn_id) for turn_id in left] == [answer["message_id"]]


async def test_a_stream_with_a_gap_is_read_from_the_stored_answer_instead(here: Api, school: School) -> None:
    from backend.chat.hub import StreamHub
    from backend.chat.reading import RemoteReader, StoredReader
    from ops.runtime.redis import open_redis_blocking

    asking = client(here, school)
    answer = await ask(asking, "How many membranes bound the mitochondrion?")
    message_id = answer["message_id"]
    redis, blocking = here.app.state.redis, open_redis_blocking(school.settings.redis_url)
    stored = await here.app.state.tutor.follow(school.people["student"], message_id, 0)
    assert isinstance(stored, StoredReader)
    whole = await stored.read(0)
    await redis.xdel(f"chat:{message_id}:events", "1-0", "2-0")
    hub = StreamHub(redis, blocking)

    async def ended(_give_up: bool) -> Any:
        return whole

    reader = RemoteReader(redis, hub, message_id, 0, ended)
    frames = await reader.read(5)
    reader.close()
    await hub.close()
    await blocking.aclose()

    assert [frame.seq for frame in frames] == [frame.seq for frame in whole]
