"""The gateway's records: written once, summed for charts, forgotten in time."""

from decimal import Decimal
from uuid import UUID

import pytest

from db import query
from db.errors import CheckViolation
from db.repositories import inference, inference_usage, quotas, retention
from db.repositories.quotas import PolicyRow, QuotaRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id
from tests.integration.inference.conftest import Place, add, ago, log_row
from tests.waiting import away_from_the_turn

HOUR = 3600


async def test_a_flush_that_is_repeated_writes_nothing_twice(place: Place) -> None:
    row = log_row(place, cost=Decimal("0.000012"), seed=2**63 - 1)
    await add(row)
    await add(row)
    assert await inference.find_log(row.id) == row
    assert await inference.logs_of_request("r") == [row]


async def test_usage_counts_tokens_once_and_hits_not_at_all(place: Place) -> None:
    await away_from_the_turn(24 * HOUR)
    await add(
        log_row(place, cost=Decimal("0.5")),
        log_row(place, cache_hit=True),
        log_row(place, error_code="upstream_broken", finish_reason=None, model="n", completion_tokens=1),
        log_row(place, finished_at=ago(days=2)),
        log_row(place, finished_at=ago(days=40)),
    )
    days = await inference_usage.usage_by_step(place.tenant_id, 7 * 24, 86_400)
    assert len(days) == 7
    assert [(day.requests, day.prompt_tokens, day.completion_tokens) for day in (days[-1], days[-2], days[-3])] == [
        (3, 20, 31),
        (0, 0, 0),
        (1, 10, 30),
    ]
    assert (days[-1].cache_hits, days[-1].failed, days[-1].cost) == (1, 1, Decimal("0.5"))
    assert days[-3].tokens_per_second == pytest.approx(30 / 1.5)

    by_model = await inference_usage.usage_by("model", place.tenant_id, ago(days=7))
    assert [(share.key, share.requests, share.completion_tokens) for share in by_model] == [("m", 3, 60), ("n", 1, 1)]
    (tenant,) = await inference_usage.usage_by("tenant", None, ago(days=7))
    assert (tenant.key, tenant.name, tenant.requests) == (str(place.tenant_id), "One", 4)
    assert await inference_usage.usage_by("model", new_id(), ago(days=7)) == []


async def test_the_quota_of_a_request_is_its_own_before_the_default(place: Place) -> None:
    own = QuotaRow(level="person", subject_id=place.user_id, tokens=7, requests=None, period_seconds=HOUR)
    rows = [
        QuotaRow(level="tenant", subject_id=None, tokens=1000, requests=None, period_seconds=HOUR),
        QuotaRow(level="person", subject_id=None, tokens=100, requests=5, period_seconds=HOUR),
        QuotaRow(level="course", subject_id=new_id(), tokens=1, requests=1, period_seconds=HOUR),
        own,
    ]
    async with unit_of_work() as uow:
        for row in rows:
            await quotas.put_quota(uow, place.tenant_id, row, None)
        await quotas.put_quota(uow, place.tenant_id, own, None)
    assert len(await quotas.quotas_of(place.tenant_id)) == 4

    async def found(course: UUID | None, person: UUID | None) -> dict[str, tuple[UUID | None, int | None]]:
        rows = quotas.quotas_for(await quotas.quotas_by_subject(place.tenant_id), course, person)
        return {row.level: (row.subject_id, row.tokens) for row in rows}

    other = new_id()
    assert await found(None, None) == {"tenant": (None, 1000)}
    assert await found(place.course_id, place.user_id) == {"tenant": (None, 1000), "person": (place.user_id, 7)}
    assert await found(None, other) == {"tenant": (None, 1000), "person": (other, 100)}
    set_one = await quotas.find_quota_of(place.tenant_id, "person", place.user_id)
    assert set_one is not None
    async with unit_of_work() as uow:
        assert await quotas.delete_quota(uow, other, set_one.id) is None, "another tenant's"
        assert await quotas.delete_quota(uow, place.tenant_id, set_one.id) == own
        assert await quotas.delete_quota(uow, place.tenant_id, set_one.id) is None
    assert await found(None, place.user_id) == {"tenant": (None, 1000), "person": (place.user_id, 100)}


@pytest.mark.parametrize("wrong", [{"tokens": 0}, {"period_seconds": 0}, {"level": "tenant"}, {"level": "planet"}])
async def test_a_quota_without_meaning_is_refused(place: Place, wrong: dict[str, object]) -> None:
    fields = {"level": "person", "subject_id": new_id(), "tokens": 1, "requests": 1, "period_seconds": 60} | wrong
    with pytest.raises(CheckViolation):
        async with unit_of_work() as uow:
            await quotas.put_quota(uow, place.tenant_id, QuotaRow(**fields), None)  # type: ignore[arg-type]


async def test_the_backlog_is_what_has_not_leaked_yet(place: Place) -> None:
    quota = QuotaRow(level="tenant", subject_id=None, tokens=3600, requests=3600, period_seconds=HOUR)
    assert (await quotas.backlog(place.tenant_id, quota, unknown_is_full=True)).tokens == 0
    await add(
        log_row(place, finished_at=ago(minutes=100), completion_tokens=590),
        log_row(place, finished_at=ago(seconds=100), completion_tokens=490),
        log_row(place, finished_at=ago(seconds=50), completion_tokens=90),
        log_row(place, finished_at=ago(seconds=50), completion_tokens=90, cache_hit=True),
        log_row(place, finished_at=ago(seconds=50), completion_tokens=0, prompt_tokens=0, queue_seconds=None),
    )
    left = await quotas.backlog(place.tenant_id, quota, unknown_is_full=True)
    assert left.tokens == pytest.approx(500 + 100 - 100, abs=3), "a token leaks each second"
    assert left.requests == 0
    of_person = QuotaRow(level="person", subject_id=place.user_id, tokens=7200, requests=None, period_seconds=HOUR)
    assert (await quotas.backlog(place.tenant_id, of_person, unknown_is_full=True)).tokens == pytest.approx(
        500 + 100 - 200, abs=5
    )
    stranger = QuotaRow(level="person", subject_id=new_id(), tokens=7200, requests=None, period_seconds=HOUR)
    assert (await quotas.backlog(place.tenant_id, stranger, unknown_is_full=True)).tokens == 0


async def test_the_backlog_of_one_always_at_its_limit_is_a_full_bucket(place: Place) -> None:
    """What was in the bucket before the records begin is not known: it counts as full, so that nothing is overspent."""
    quota = QuotaRow(level="tenant", subject_id=None, tokens=3600, requests=None, period_seconds=HOUR)
    await add(
        *(log_row(place, finished_at=ago(seconds=60 * n), prompt_tokens=0, completion_tokens=60) for n in range(120))
    )
    assert (await quotas.backlog(place.tenant_id, quota, unknown_is_full=True)).tokens == pytest.approx(3600, abs=60)
    assert (await quotas.backlog(place.tenant_id, quota, unknown_is_full=False)).tokens <= 60


async def test_texts_go_with_their_time_and_with_the_consent(place: Place) -> None:
    await add(*(log_row(place, text_sealed=b"sealed", finished_at=ago(days=days)) for days in (0, 5, 29, 31)))

    async def purge() -> int:
        async with unit_of_work() as uow:
            return await inference.purge_texts(uow)

    async def consent(since: float | None) -> None:
        async with unit_of_work() as uow:
            moment = None if since is None else ago(days=since)
            await quotas.put_policy(uow, PolicyRow(tenant_id=place.tenant_id, consented_at=moment), None)

    await consent(40)
    await consent(0)
    assert await purge() == 1, "what is older than 30 days; a consent that stands keeps its date"
    await consent(None)
    assert await purge() == 3
    assert await query.fetch_value("SELECT count(*) FROM inference_logs WHERE text_sealed IS NULL") == 4


async def test_old_records_go(place: Place) -> None:
    await add(log_row(place), log_row(place, finished_at=ago(days=401)))
    async with unit_of_work() as uow:
        assert await inference.purge_logs(uow) == 1
        assert await inference.purge_logs(uow) == 0


async def test_a_purged_person_leaves_numbers_only(place: Place) -> None:
    await query.execute(
        """INSERT INTO users (id, tenant_id, email, email_normalised, display_name, data_key, deleted_at, purge_after)
           VALUES ($1, $2, 'a@b.example', 'a@b.example', 'A', '', now(), now())""",
        place.user_id,
        place.tenant_id,
    )
    row = log_row(place, text_sealed=b"sealed")
    await add(row)
    async with unit_of_work() as uow:
        await quotas.put_quota(
            uow,
            place.tenant_id,
            QuotaRow(level="person", subject_id=place.user_id, tokens=1, requests=None, period_seconds=60),
            None,
        )
        assert await retention.purge_person(uow, place.user_id)
    left = await inference.find_log(row.id)
    assert left is not None
    assert (left.user_id, left.request_id, left.text_sealed, left.completion_tokens) == (None, "", None, 30)
    assert await quotas.quotas_of(place.tenant_id) == []
