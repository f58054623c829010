"""Records from the pipe to Postgres: exact, never blocking, nothing lost on a clean stop, text only with consent."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from db import query
from db.repositories.quotas import PolicyRow, put_policy
from db.unit_of_work import unit_of_work
from inference_gateway.caller import Caller
from inference_gateway.contract import ChatMessage, ChatRequest
from inference_gateway.ports import GenerationRecord, Run
from inference_gateway.records.meter import DatabaseMeter
from inference_gateway.records.policies import TenantPolicies
from inference_gateway.records.prices import Price
from inference_gateway.records.runs import Runs
from ops.runtime.crypto import new_key, wrap_key
from tests.integration.inference.conftest import Place
from tests.processes import PATIENCE_SECONDS

MASTER = b"m" * 32
RUN = Run(request=ChatRequest(messages=(ChatMessage(role="user", content="secret question"),)), answer="secret answer")


def record(place: Place, number: int = 0, model: str = "tutor") -> GenerationRecord:
    return GenerationRecord(
        request_id=f"r{number}",
        caller=Caller(tenant_id=place.tenant_id, user_id=place.user_id, purpose="generate"),
        asked_model=model,
        upstream="u",
        finish_reason="stop",
        prompt_tokens=1000,
        completion_tokens=500,
        queue_seconds=0.0,
        total_seconds=1.0,
    )


def meter(policies: TenantPolicies | None = None, max_waiting: int = 50_000) -> DatabaseMeter:
    prices = {"u": Price(prompt=Decimal("0.001"), completion=Decimal("0.004"))}
    return DatabaseMeter(policies or TenantPolicies(), Runs(MASTER), prices, max_waiting)


async def count() -> int:
    return int(await query.fetch_value("SELECT count(*) FROM inference_logs"))


async def test_a_clean_stop_loses_nothing(place: Place) -> None:
    taken = meter()
    for number in range(1234):
        taken.record(record(place, number))
    await taken.close()
    assert await count() == 1234
    assert await query.fetch_value("SELECT sum(completion_tokens) FROM inference_logs") == 1234 * 500
    assert await query.fetch_value("SELECT min(cost) FROM inference_logs") == Decimal("0.003")


async def test_too_many_are_counted_and_one_bad_row_takes_no_other_with_it(place: Place) -> None:
    taken = meter(max_waiting=10)
    for number in range(9):
        taken.record(record(place, number, model="nul\x00" * 100))
    broken = record(place)
    taken.record(GenerationRecord(request_id="bad", caller=broken.caller, asked_model="", total_seconds=0, seed=2**70))
    taken.record(record(place, 99))
    await taken.close()
    assert await count() == 9


async def test_a_fault_that_nobody_foresaw_does_not_end_the_writing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_gateway.records.meter.FLUSH_SECONDS", 0.01)
    taken, flush, faults = meter(), DatabaseMeter.flush, [RuntimeError("a fault"), RuntimeError("another")]

    async def fails_twice(self: DatabaseMeter) -> None:
        if faults:
            raise faults.pop()
        await flush(self)

    monkeypatch.setattr(DatabaseMeter, "flush", fails_twice)
    writing = asyncio.create_task(taken.run())
    taken.record(record(place))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await count():
            await asyncio.sleep(0.01)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert not faults


async def test_text_is_kept_with_consent_only_and_sealed_for_its_person(
    place: Place,
) -> None:
    key = wrap_key(MASTER, new_key(), place.user_id.bytes)
    await query.execute(
        """INSERT INTO users (id, tenant_id, email, email_normalised, display_name, data_key)
           VALUES ($1, $2, 'a@b.example', 'a@b.example', 'A', $3)""",
        place.user_id,
        place.tenant_id,
        key,
    )
    policies = TenantPolicies()
    taken = meter(policies)
    taken.record(record(place, 1), RUN)
    async with unit_of_work() as uow:
        await put_policy(uow, PolicyRow(tenant_id=place.tenant_id, consented_at=datetime.now(UTC)), None)
    await policies.refresh()
    taken.record(record(place, 2), RUN)
    await taken.close()
    assert await query.fetch_value("SELECT text_sealed FROM inference_logs WHERE request_id = 'r1'") is None
    sealed = await query.fetch_value("SELECT text_sealed FROM inference_logs WHERE request_id = 'r2'")
    log_id = await query.fetch_value("SELECT id FROM inference_logs WHERE request_id = 'r2'")
    assert b"secret" not in sealed
    assert await Runs(MASTER).opened(sealed, log_id, place.user_id) == RUN
    await query.execute("UPDATE users SET data_key = '' WHERE id = $1", place.user_id)
    assert await Runs(MASTER).opened(sealed, log_id, place.user_id) is None
