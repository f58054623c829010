"""A worker whose jobs are one INSERT, or a while of waiting."""

import asyncio
from typing import Any

import msgspec

from actors import main
from actors.actor import actor
from backend.jobs.attempt import Job
from db import query
from db.jobs import JobKind, RetrySchedule
from db.unit_of_work import unit_of_work
from ops.runtime.settings import Settings

THREADS = 8
WAIT_SECONDS = 3.0


class Work(msgspec.Struct, frozen=True):
    """What the row says."""

    name: str


def _kind(name: str) -> JobKind[Work]:
    return JobKind(
        name=name,
        args=Work,
        queue="default",
        priority=0,
        retry=RetrySchedule((1.0,) * 30),
        time_limit_seconds=60,
        max_age_seconds=3600,
        concurrency_per_tenant=100_000,
        concurrency_per_key=1,
        concurrency_key=lambda _: None,
        cancellable=True,
        schedulable=False,
        dedupe_key=lambda _: None,
    )


INSERT = _kind("bench.insert")
WAIT = _kind("bench.wait")


async def insert(job: Job[Work, Any]) -> None:
    """Write the row in the transaction that ends the job."""
    async with unit_of_work() as uow:
        await query.execute("INSERT INTO done (name) VALUES ($1)", job.args.name)
        await job.attempt.succeed(uow)


async def wait(job: Job[Work, Any]) -> None:
    """Be there to be interrupted."""
    await asyncio.sleep(WAIT_SECONDS)
    await insert(job)


def run(settings: Settings) -> None:
    """Do such jobs until told to stop."""
    actor(INSERT)(insert)
    actor(WAIT)(wait)
    main.run_worker(settings, ("default",), threads=THREADS)
