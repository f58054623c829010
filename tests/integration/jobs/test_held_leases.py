"""Leases of a worker that end elsewhere than with their attempt."""

import asyncio
from typing import Any, cast

import pytest

from actors.keeper import LeaseKeeper
from actors.runner import Runner
from actors.tools import Tools
from backend.jobs.attempt import Job
from db import query
from db.jobs import Claim
from db.repositories import job_upkeep
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id
from tests.integration.jobs import test_runner
from tests.integration.jobs.test_runner import Bench, Work

bench = test_runner.bench


async def test_a_job_taken_away_and_claimed_here_again_stops_its_older_attempt(bench: Bench) -> None:
    async def body(job: Job[Work, Any]) -> None:
        if job.attempt.claim.attempt == 1:
            await bench.sleep(job)

    job_id = await bench.accept(body)
    older = await bench.begun(job_id)
    (lost,) = await job_upkeep.lost_jobs()
    async with unit_of_work() as uow:
        await job_upkeep.give_back(uow, lost)
    await bench.runner.run(job_id)
    await asyncio.wait_for(older, 15)
    assert ((await bench.row(job_id)).state, bench.stopped, bench.ends) == ("succeeded", True, [])


async def test_claims_that_the_keeper_cannot_take_are_not_held(bench: Bench) -> None:
    class Keeper:
        def hold(self, _claims: object, _lease_seconds: float) -> None:
            raise BlockingIOError

        def release(self, _claim: Claim) -> None:
            pass

    job_id = await bench.accept(bench.sleep)
    runner = Runner(new_id(), cast(Tools, None), lease_seconds=0.6, keeper=cast(LeaseKeeper, Keeper()))
    with pytest.raises(BlockingIOError):
        await runner.run(job_id)
    await asyncio.sleep(0.8)
    assert await query.fetch_value("SELECT lease_until < now() FROM jobs WHERE id = $1", job_id)
