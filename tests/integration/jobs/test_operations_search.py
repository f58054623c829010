"""Each filter of a long list of jobs has an index in the list's order: a page reads little, however many jobs there are."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from db import query
from db.repositories import job_search
from db.repositories.job_search import Condition, Wanted
from db.repositories.jobs import COLUMNS
from ops.runtime.ids import new_id
from tests.integration.jobs.conftest import Someone
from tests.servers import Database

JOBS = 20_000
PAGE = 31
MOST_BLOCKS = 100
"""Of 8 KiB."""
OLD = datetime.now(UTC) - timedelta(days=20)
USERS = [new_id() for _ in range(50)]

FILL = """
INSERT INTO jobs (id, tenant_id, user_id, subject_id, kind, queue, priority, args, state, attempt, max_attempts,
                  time_limit_seconds, concurrency_per_tenant, expires_at, request_id, traceparent, created_at, finished_at, error)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8' || substr(md5(n::text), 1, 15))::uuid, $1,
       ($2::uuid[])[1 + n % 50], ($2::uuid[])[1 + n % 50],
       CASE WHEN n % 5000 = 7 THEN 'rare' ELSE 'often' END, CASE WHEN n % 4000 = 7 THEN 'notify' ELSE 'ingest' END, 10, '{}',
       CASE WHEN n % 500 = 0 THEN 'dead' ELSE 'succeeded' END, 1, 3, 60, 4, at, 'req-' || n / 10, '', at, at,
       CASE WHEN n % 500 = 0 THEN jsonb_build_object('type', CASE WHEN n % 5000 = 0 THEN 'rare' ELSE 'often' END) END
FROM (SELECT n, now() - interval '30 days' + n * (interval '30 days' / $3::int) AS at FROM generate_series(1, $3::int) n) made
"""
CASES = {
    "all": Wanted(),
    "ended": Wanted(state="succeeded"),
    "dead": Wanted(state="dead"),
    "none that live": Wanted(state="queued"),
    "rare kind": Wanted(kind="rare"),
    "unknown kind": Wanted(kind="nothing"),
    "rare kind of a frequent queue": Wanted(kind="rare", queue="ingest"),
    "rare queue": Wanted(queue="notify"),
    "rare error": Wanted(error_type="rare"),
    "error of the dead": Wanted(error_type="often", state="dead"),
    "request": Wanted(request_id="req-500"),
    "person": Wanted(user_id=USERS[3], state="succeeded"),
    "subject": Wanted(subject_id=USERS[3]),
    "long ago": Wanted(created_until=OLD),
    "one hour long ago": Wanted(created_from=OLD, created_until=OLD + timedelta(hours=1)),
    "kind long ago": Wanted(created_until=OLD, kind="often", state="succeeded"),
}


@pytest.fixture
async def filled(someone: Someone, database: Database) -> Someone:
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(FILL, someone.tenant_id, USERS, JOBS)
    await owner.execute("VACUUM ANALYZE jobs")
    await owner.close()
    return someone


async def blocks(condition: Condition) -> tuple[int, int]:
    """How many rows the page has, and how many blocks were read for it."""
    sql = f"SELECT {COLUMNS} FROM jobs WHERE {condition} ORDER BY id DESC LIMIT {PAGE}"
    explained = await query.fetch_value(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *condition.arguments)
    plan: dict[str, Any] = json.loads(explained)[0]["Plan"]
    return plan["Actual Rows"], plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


async def test_a_page_of_any_filter_reads_little(filled: Someone) -> None:
    read = {name: await blocks(Condition(filled.tenant_id, wanted)) for name, wanted in CASES.items()}
    size: int = await query.fetch_value("SELECT pg_relation_size('jobs') / 8192")
    assert size > 5 * MOST_BLOCKS
    assert {name: count for name, (_, count) in read.items() if count > MOST_BLOCKS} == {}
    assert [rows for rows, _ in read.values()].count(PAGE) >= 8


async def test_a_page_begins_where_the_last_one_ended(filled: Someone) -> None:
    first = await job_search.page(filled.tenant_id, Wanted(state="dead"), before_id=None, limit=25)
    second = await job_search.page(filled.tenant_id, Wanted(state="dead"), before_id=first[-1].id, limit=25)
    ids = [row.id for row in (*first, *second)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 40
