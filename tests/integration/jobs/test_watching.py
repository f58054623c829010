"""Who watches a job, at what cost, and until when."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from backend.documents.jobs import INGEST, IngestArgs
from backend.identity import rights
from backend.jobs import reading, service, sse, watching
from backend.jobs.watching import JobWatches
from backend.kit.subject import Subject
from db.errors import DatabaseUnavailable
from db.jobs import JobError
from db.repositories import jobs
from db.unit_of_work import unit_of_work
from ops.runtime.ids import DocumentId, JobId, new_id
from tests import campus
from tests.api import Api, running
from tests.processes import PATIENCE_SECONDS, eventually
from tests.servers import Database

WATCHERS = 200


@dataclass(frozen=True)
class Scene:
    api: Api
    administrator: Subject
    operator: Subject
    job_id: JobId
    watches: JobWatches
    draining: asyncio.Event

    async def happen(self, *, end: bool = False) -> None:
        """One more event of the job; the last with `end`."""
        async with unit_of_work() as uow:
            if end:
                await jobs.bury(uow, self.job_id, JobError(type="test", detail="over"))
            else:
                await jobs.add_event(uow, self.job_id, "progress", {"stage": "parsing"})

    async def stream(self, after: int = 0, subject: Subject | None = None) -> AsyncIterator[dict[str, str]]:
        """The events of a stream, field by field; comments as the field "comment"."""
        reader = subject or self.operator
        first = await service.read_events(reader, self.job_id, after)
        parts = sse.event_stream(reader, self.job_id, first, self.watches, self.draining)
        async for part in parts:
            fields = [line.partition(":") for line in part.decode().strip().split("\n")]
            yield {name.strip() or "comment": value.strip() for name, _, value in fields}


@pytest.fixture
async def scene(database: Database, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(reading, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(reading, "RIGHTS_SECONDS", 0.2)
    async with running(database.url, valkey_url) as api:
        home = await campus.tenant("home")
        administrator = await campus.person(home, "ada", "admin", "ops")
        operator = await campus.person(home, "oda", "ops")
        opened = await campus.sign_in(operator.user_id)
        async with unit_of_work() as uow:
            args = IngestArgs(document_id=DocumentId(new_id()), version=1)
            job_id = await uow.enqueue(INGEST, args, subject=administrator, subject_id=args.document_id)
        signed_in = msgspec.structs.replace(operator, session_id=opened.session_id)
        yield Scene(api, administrator, signed_in, job_id, JobWatches(), asyncio.Event())


async def until_problem(events: AsyncIterator[dict[str, str]]) -> dict[str, Any]:
    async for event in events:
        if event.get("event") == "problem":
            assert "id" not in event
            problem: dict[str, Any] = json.loads(event["data"])["problem"]
            return problem
    raise AssertionError("the stream ended without a word")


def watched(scene: Scene) -> int:
    """How many streams of the scene's job look at it."""
    watch = scene.watches._watches.get(scene.job_id)
    return watch.watchers if watch else 0


async def test_events_come_numbered_to_the_last_and_from_any_number(scene: Scene) -> None:
    await scene.happen()

    async def collect(after: int) -> list[int]:
        return [int(event["id"]) async for event in scene.stream(after) if "id" in event]

    whole, rest = asyncio.create_task(collect(0)), asyncio.create_task(collect(1))
    await asyncio.sleep(0.2)
    await scene.happen()
    await asyncio.sleep(0.2)
    await scene.happen(end=True)
    numbers = await asyncio.wait_for(whole, 5)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 3
    assert await asyncio.wait_for(rest, 5) == numbers[1:]


async def test_over_http_a_stream_is_buffered_by_nobody_and_resumes(scene: Scene) -> None:
    await scene.happen()
    await scene.happen(end=True)
    client = await scene.api.signed_in(scene.operator)
    headers = {"accept": "text/event-stream", "last-event-id": "1"}
    answer = await client.get(f"/api/v1/jobs/{scene.job_id}/events", headers=headers)
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["cache-control"] == "no-store"
    assert "id: 1\n" not in answer.text
    assert "id: 2\n" in answer.text


async def test_two_hundred_watchers_cost_one_query_per_interval(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.25)
    asked = 0
    get = jobs.get

    async def counted(*place: Any) -> jobs.JobRow | None:
        nonlocal asked
        asked += 1
        return await get(*place)

    async def read() -> int:
        return len([event async for event in scene.stream() if "id" in event])

    readers = [asyncio.create_task(read()) for _ in range(WATCHERS)]
    await eventually(lambda: watched(scene) == WATCHERS)
    monkeypatch.setattr(jobs, "get", counted)
    started = time.monotonic()
    await asyncio.sleep(2)
    assert 2 <= asked <= (time.monotonic() - started) / 0.25 + 1
    await scene.happen()
    await scene.happen(end=True)
    counts = await asyncio.wait_for(asyncio.gather(*readers), PATIENCE_SECONDS)
    assert len(set(counts)) == 1
    assert not scene.watches._watches


async def test_a_revoked_session_ends_the_stream(scene: Scene) -> None:
    client = await scene.api.signed_in(scene.operator)
    ended = asyncio.create_task(until_problem(scene.stream()))
    await asyncio.sleep(0.3)
    assert not ended.done()
    assert (await client.delete("/api/v1/me/sessions")).is_success
    problem = await asyncio.wait_for(ended, 5)
    assert (problem["status"], problem["type"]) == (401, "/problems/session-ended")


async def test_a_lost_right_ends_the_stream(scene: Scene) -> None:
    ended = asyncio.create_task(until_problem(scene.stream()))
    await asyncio.sleep(0.3)
    assert not ended.done()
    for grant in await rights.list_grants(scene.administrator, scene.operator.user_id):
        await rights.take(scene.administrator, scene.operator.user_id, grant.id)
    await scene.happen()
    problem = await asyncio.wait_for(ended, 5)
    assert (problem["status"], problem["type"]) == (404, "/problems/job-not-found")


async def test_silence_is_broken_and_a_stop_ends_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "COMMENT_SECONDS", 0.1)
    comments = 0
    async for event in scene.stream():
        comments += "comment" in event
        if comments == 2:
            scene.draining.set()
    assert comments == 2


async def test_without_the_database_the_stream_waits(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    get, away = jobs.get, True

    async def sometimes(*place: Any) -> jobs.JobRow | None:
        if away:
            raise DatabaseUnavailable
        return await get(*place)

    async def read() -> list[str]:
        return [event["event"] async for event in scene.stream() if "event" in event]

    reading = asyncio.create_task(read())
    await eventually(lambda: watched(scene) == 1)
    monkeypatch.setattr(jobs, "get", sometimes)
    await scene.happen(end=True)
    await asyncio.sleep(0.4)
    assert not reading.done()
    away = False
    kinds = await asyncio.wait_for(reading, 5)
    assert "problem" not in kinds
