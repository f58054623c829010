"""What the clock samples of the queues, what charts and figures make of it, and what it costs."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from actors import sampler
from actors.sampler import QueueGauges, Sampler
from backend.identity import rights
from backend.jobs import figure_stream, figures
from backend.kit.subject import Subject
from db import query
from db.jobs import QUEUES, JobError
from db.repositories import job_progress, jobs, queue_history, queue_samples
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, first_id_at, new_id
from tests import campus
from tests.api import Api, running
from tests.integration.jobs.conftest import Someone
from tests.integration.jobs.test_job_table import WORK
from tests.integration.jobs.test_limits import another_tenant, claimed, enqueue, succeed
from tests.integration.jobs.test_queues import operator_of
from tests.servers import Database
from tests.waiting import away_from_the_turn

FINISHED = 200_000
MINUTE = timedelta(minutes=1)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID | None
    depth: int
    in_flight: int
    arrived: int
    succeeded: int
    died: int
    counted_seconds: float


async def samples(queue: str = "default") -> list[Row]:
    """The samples of a queue, oldest first, the installation's last in each slot."""
    return await query.fetch(
        Row,
        f"""SELECT {", ".join(Row.__struct_fields__)} FROM queue_samples WHERE queue = $1
            ORDER BY slot_at, tenant_id NULLS LAST""",
        queue,
    )


async def next_slot() -> None:
    """Let 15 s pass for the samples there are."""
    await query.execute("UPDATE queue_samples SET slot_at = slot_at - interval '15 seconds'")


async def die(job_id: JobId) -> None:
    claim = await claimed(job_id)
    async with unit_of_work() as uow:
        await jobs.fail(uow, claim, JobError(type="broken", detail="It broke."), None)


async def add_sample(tenant_id: UUID, at: datetime, **counts: int) -> None:
    """A sample of the default queue as it was taken in the slot of that time, with the installation's."""
    slot_at = at - timedelta(seconds=at.timestamp() % 15)
    part = queue_samples.Reach(slot_at=slot_at, last_slot_at=None, since=slot_at - timedelta(seconds=15), until=slot_at)
    async with unit_of_work() as uow:
        rows = [queue_samples.Sample(tenant_id=tenant, queue="default", **counts) for tenant in (tenant_id, None)]
        await queue_samples.add(uow, part, rows)


async def test_a_sample_tells_what_waits_runs_came_and_went(someone: Someone) -> None:
    other = await another_tenant("two")
    first, second, third, _ = await enqueue(WORK, someone, "a", "b", "c", "d")
    await enqueue(WORK, other, "e")
    await succeed(await claimed(first))
    await die(second)
    await claimed(third)
    registry = CollectorRegistry()
    await Sampler(QueueGauges(registry)).sample()

    mine, *_, whole = await samples()
    counts = {
        row.tenant_id: (row.depth, row.in_flight, row.arrived, row.succeeded, row.died) for row in await samples()
    }
    assert counts == {someone.tenant_id: (1, 1, 4, 1, 1), other.tenant_id: (1, 0, 1, 0, 0), None: (2, 1, 5, 1, 1)}
    assert mine.counted_seconds == whole.counted_seconds
    assert [row.depth for queue in QUEUES if queue != "default" for row in await samples(queue)] == [0, 0, 0, 0]
    assert registry.get_sample_value("lyceum_queue_depth", {"queue": "default"}) == 2
    assert registry.get_sample_value("lyceum_queue_in_flight", {"queue": "default"}) == 1
    assert registry.get_sample_value("lyceum_queue_depth", {"queue": "ingest"}) == 0
    age = registry.get_sample_value("lyceum_queue_oldest_age_seconds", {"queue": "default"})
    assert age is not None
    assert 0 < age < 60


async def test_what_came_and_went_is_counted_once_by_two_clocks_and_after_a_restart(someone: Someone) -> None:
    one, two = (Sampler(QueueGauges(CollectorRegistry())) for _ in range(2))
    await away_from_the_turn(15)
    await enqueue(WORK, someone, "a", "b")
    for clock in (one, two, one):
        await clock.sample()
    assert [row.arrived for row in await samples()] == [2, 2]
    await next_slot()
    (third,) = await enqueue(WORK, someone, "c")
    await succeed(await claimed(third))
    await Sampler(QueueGauges(CollectorRegistry())).sample()
    assert [(row.arrived, row.succeeded) for row in await samples() if row.tenant_id] == [(2, 0), (1, 1)]


async def test_what_a_long_transaction_ends_is_counted_when_it_commits(someone: Someone) -> None:
    """Its end has the date of its beginning, which lies before a sample that could not see it."""
    (job_id,) = await enqueue(WORK, someone, "a")
    claim = await claimed(job_id)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def end() -> None:
        async with unit_of_work() as uow:
            await query.fetch_value("SELECT now()")
            begun.set()
            await go_on.wait()
            await jobs.succeed(uow, claim)

    ending = asyncio.create_task(end())
    await begun.wait()
    await Sampler(QueueGauges(CollectorRegistry())).sample()
    go_on.set()
    await ending
    await next_slot()
    await Sampler(QueueGauges(CollectorRegistry())).sample()
    assert [row.succeeded for row in await samples() if row.tenant_id is None] == [0, 1]


async def test_gauges_go_silent_when_nobody_samples(someone: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    del someone
    registry = CollectorRegistry()
    await Sampler(QueueGauges(registry)).sample()
    assert registry.get_sample_value("lyceum_queue_depth", {"queue": "default"}) == 0
    monkeypatch.setattr(sampler, "FRESH_SECONDS", 0.0)
    assert registry.get_sample_value("lyceum_queue_depth", {"queue": "default"}) is None


async def test_samples_are_rolled_up_after_a_day_and_purged_after_eight(someone: Someone) -> None:
    now = datetime.now(UTC)
    for number in range(40):  # ten minutes, a day ago
        at = now - timedelta(hours=25) + number * timedelta(seconds=15)
        await add_sample(someone.tenant_id, at, depth=number, arrived=1)
    await add_sample(someone.tenant_id, now - MINUTE, depth=7, arrived=1)
    assert await sampler.roll_up() == 80
    assert await sampler.roll_up() == 0
    coarse = [row for row in await samples() if row.tenant_id == someone.tenant_id]
    assert sum(row.arrived for row in coarse) == 41
    assert len(coarse) in (3, 4)
    assert max(row.depth for row in coarse) == 39
    assert coarse[-1].depth == 7
    assert await sampler.purge() == 0
    await query.execute("UPDATE queue_samples SET slot_at = slot_at - interval '7 days' WHERE step_seconds = 300")
    assert await sampler.purge() == 2 * (len(coarse) - 1)
    assert [row.depth for row in await samples()] == [7, 7]


async def test_a_chart_has_a_gap_where_no_clock_was_and_zero_where_nothing_was(someone: Someone) -> None:
    other = await another_tenant("two")
    ten_minutes_ago = datetime.now(UTC) - 10 * MINUTE
    for number in range(8):  # two minutes, then a gap of eight
        await add_sample(someone.tenant_id, ten_minutes_ago + number * timedelta(seconds=15), depth=3, arrived=5)
    points = await queue_history.points(someone.tenant_id, "default", 1, 15)
    assert 236 <= len(points) <= 241
    seen = [point for point in points if point.seconds is not None]
    assert [(point.depth, point.arrived) for point in seen] == [(3, 5)] * 8
    assert {(later.at - sooner.at).total_seconds() for sooner, later in itertools.pairwise(points)} == {15}
    of_other = await queue_history.points(other.tenant_id, "default", 1, 15)
    assert {point.depth for point in of_other} == {0}
    assert len([point for point in of_other if point.seconds is not None]) == 8


@pytest.mark.parametrize(
    ("depth", "arriving", "leaving", "seconds"),
    [(10, 1.0, 3.0, 300.0), (10, 3.0, 3.0, None), (10, 4.0, 3.0, None), (0, 4.0, 3.0, 0.0), (10, None, None, None)],
)
def test_a_queue_is_empty_some_time_only_if_more_leaves_than_comes(
    depth: int, arriving: float | None, leaving: float | None, seconds: float | None
) -> None:
    assert figures.seconds_to_empty(depth, arriving, leaving) == seconds


@pytest.fixture
async def api(database: Database, valkey_url: str) -> AsyncIterator[Api]:
    async with running(database.url, valkey_url) as opened:
        yield opened


async def signed_in(person: Subject) -> Subject:
    """The person in a session that stands."""
    return msgspec.structs.replace(person, session_id=(await campus.sign_in(person.user_id)).session_id)


async def of_queue(client: httpx.AsyncClient, name: str = "default") -> dict[str, object]:
    answer = await client.get("/api/v1/ops/queues/figures")
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = next(row for row in answer.json()["items"] if row["name"] == name)
    return found


async def test_figures_and_history_are_the_tenant_s_own(api: Api) -> None:
    operator, foreign = await operator_of("home"), await operator_of("away")
    await enqueue(WORK, Someone(operator.tenant_id), "a", "b")
    now = datetime.now(UTC)
    for number in range(4):
        at = now - number * timedelta(seconds=15)
        await add_sample(operator.tenant_id, at, arrived=1, succeeded=2, died=1, cancelled=1, depth=2)
    await query.execute(
        "INSERT INTO workers (id, host, pid, queues, lock_key) VALUES ($1, 'h', 1, '{default}', 1)", new_id()
    )
    await query.execute(
        """INSERT INTO workers (id, host, pid, queues, lock_key, drain_requested_at, heartbeat_at)
           VALUES ($1, 'draining', 2, '{default}', 2, now(), now()), ($2, 'silent', 3, '{default}', 3, NULL,
                   now() - interval '1 minute')""",
        new_id(),
        new_id(),
    )
    client, other = await api.signed_in(operator), await api.signed_in(foreign)
    row = await of_queue(client)
    assert (row["depth"], row["in_flight"], row["workers"]) == (2, 0, 1)
    assert (row["in_per_minute"], row["out_per_minute"], row["failure_rate"]) == (4.0, 16.0, 0.3333)
    assert row["seconds_to_empty"] == 10.0
    row = await of_queue(other)
    assert (row["depth"], row["in_per_minute"], row["failure_rate"], row["seconds_to_empty"]) == (0, 0.0, None, 0.0)
    assert (await of_queue(client, "exams"))["workers"] == 0

    for hours, step in ((1, 15), (24, 300), (168, 1800)):
        history = (await client.get("/api/v1/ops/queues/history", params={"queue": "default", "hours": hours})).json()
        assert history["step_seconds"] == step
        assert len(history["at"]) <= 400
        assert {len(series) for series in history.values() if isinstance(series, list)} == {len(history["at"])}
        if hours != 168:
            assert max(value for value in history["depth"] if value is not None) == 2
    wrong = await client.get("/api/v1/ops/queues/history", params={"queue": "default", "hours": 2})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/hours")
    assert (await client.get("/api/v1/ops/queues/history", params={"queue": "fast"})).status_code == 404


async def test_figures_come_live_until_the_rights_are_gone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_stream, "RIGHTS_SECONDS", 0.05)
    monkeypatch.setattr(figure_stream, "LOOK_SECONDS", 0.05)
    home = await campus.tenant("home")
    administrator = await campus.person(home, "ada", "admin", "ops")
    operator = await signed_in(await campus.person(home, "oda", "ops"))
    board, draining, seen = figures.FigureBoard(), asyncio.Event(), []
    async with asyncio.timeout(10):
        async for frame in figure_stream.figure_stream(operator, board, draining):
            seen.append(frame.decode())
            if len(seen) == 4:
                (grant,) = await rights.list_grants(administrator, operator.user_id)
                await rights.take(administrator, operator.user_id, grant.id)
    assert seen[1].startswith("event: figures\n")
    assert len(json.loads(seen[1].partition("data: ")[2])["queues"]) == len(QUEUES)
    assert seen[-1].startswith("event: problem\n")

    assert json.loads(seen[-1].partition("data: ")[2])["problem"]["status"] == 403

    other = await signed_in(await campus.person(home, "odd", "ops"))
    drained = figure_stream.figure_stream(other, board, draining)
    assert [await anext(drained), (await anext(drained))[:14]] == [b"retry: 1000\n\n", b"event: figures"]
    draining.set()
    assert [frame async for frame in drained] == []


async def test_the_pace_of_a_stage_is_that_of_the_present_attempt(someone: Someone) -> None:
    (job_id,) = await enqueue(WORK, someone, "a")
    claim = await claimed(job_id)
    for done in (0, 1, 5):
        async with unit_of_work() as uow:
            await jobs.report(uow, claim, "reading", done, 10)
    pace = (await job_progress.paces([job_id]))[job_id]
    assert (pace.first_done, pace.last_done, pace.total) == (0, 5, 10)
    assert pace.first_at < pace.last_at
    async with unit_of_work() as uow:
        await jobs.report(uow, claim, "writing", 4, 8)
    pace = (await job_progress.paces([job_id]))[job_id]
    assert (pace.first_done, pace.last_done, pace.total) == (4, 4, 8)
    async with unit_of_work() as uow:
        await jobs.hand_back(uow, claim)
    assert await job_progress.paces([job_id]) == {}
    claim = await claimed(job_id)
    async with unit_of_work() as uow:
        await jobs.report(uow, claim, "writing", 6, 8)
    assert (await job_progress.paces([job_id]))[job_id].first_done == 6


async def test_a_sample_reads_no_history(someone: Someone, database: Database) -> None:
    """Its plan stays with indexes of open and recent jobs, whatever has ended before."""
    (job_id,) = await enqueue(WORK, someone, "a")
    columns = (
        "tenant_id, kind, queue, args, max_attempts, time_limit_seconds, concurrency_per_tenant, expires_at, request_id, "
        "traceparent"
    )
    session = await asyncpg.connect(database.owner_url)
    try:
        ancient = first_id_at(datetime.now(UTC) - timedelta(days=3)).int
        ids = [UUID(int=ancient + number) for number in range(FINISHED)]
        await session.execute(
            f"""INSERT INTO jobs (id, {columns}, state, created_at, finished_at)
                SELECT made.id, {", ".join("jobs." + name for name in columns.split(", "))}, 'succeeded',
                       now() - interval '3 days', now() - interval '3 days' FROM jobs, unnest($2::uuid[]) AS made (id)
                WHERE jobs.id = $1""",
            job_id,
            ids,
        )
        await session.execute("VACUUM ANALYZE jobs")
    finally:
        await session.close()
    before = await _rows_read()
    await Sampler(QueueGauges(CollectorRegistry())).sample()
    assert [row.depth for row in await samples()] == [1, 1]
    assert await _rows_read() - before < 1000


async def _rows_read() -> int:
    """How many rows of `jobs` all statements have fetched, in this database, since its statistics began."""
    await query.execute("SELECT pg_stat_force_next_flush()")
    read: int = await query.fetch_value(
        """SELECT seq_tup_read + coalesce(idx_tup_fetch, 0)
                  + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'jobs')
           FROM pg_stat_user_tables WHERE relname = 'jobs'"""
    )
    return int(read)


async def test_a_paused_queue_says_no_time_when_it_is_empty(api: Api) -> None:
    operator = await operator_of("home")
    await enqueue(WORK, Someone(operator.tenant_id), "a")
    await add_sample(operator.tenant_id, datetime.now(UTC), succeeded=3)
    client = await api.signed_in(operator)
    assert (await of_queue(client))["seconds_to_empty"] == 5.0
    await client.post("/api/v1/ops/queues/default/pause")
    row = await of_queue(client)
    assert (row["seconds_to_empty"], row["paused_by"]) == (None, str(operator.user_id))


async def test_a_job_tells_how_long_its_stage_still_takes(api: Api) -> None:
    operator = await operator_of("home")
    (job_id,) = await enqueue(WORK, Someone(operator.tenant_id), "a")
    claim = await claimed(job_id)
    for done in (0, 10, 20):
        async with unit_of_work() as uow:
            await jobs.report(uow, claim, "reading", done, 100)
    client = await api.signed_in(operator)
    assert (await client.get(f"/api/v1/jobs/{job_id}")).json()["estimated_seconds_left"] is None
    await query.execute(
        """UPDATE job_events SET created_at = (SELECT max(created_at) FROM job_events WHERE job_id = $1) - interval '10 s'
           WHERE job_id = $1 AND type = 'progress' AND data ->> 'done' = '0'""",
        job_id,
    )
    for answer in (await client.get(f"/api/v1/jobs/{job_id}"), await client.get("/api/v1/jobs")):
        body = answer.json()
        assert 30 <= body.get("items", [body])[0]["estimated_seconds_left"] <= 45
    await succeed(claim)
    assert (await client.get(f"/api/v1/jobs/{job_id}")).json()["estimated_seconds_left"] is None
