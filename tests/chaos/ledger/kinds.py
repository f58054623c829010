"""The jobs of a ledger run: each says in the table `ledger` what it has done, in the transaction that ends it.

The table has no constraint and knows nothing of jobs. A job that succeeds leaves one row of its name and one for each of
its parts; one that dies or is cancelled leaves none of its name and one that says so.
"""

import asyncio
import ctypes
import os
import signal
from collections.abc import Callable
from typing import Any

import msgspec

from backend.jobs.attempt import Job
from db import query
from db.jobs import Child, EndedJob, JobKind, RetrySchedule
from db.unit_of_work import UnitOfWork, unit_of_work

QUEUES = ("default", "notify")
ENOUGH = RetrySchedule((0.3,) * 14)
"""More attempts than anybody is unlucky enough to lose."""
FEW = RetrySchedule((0.3, 0.3))
PARTS = 4


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is what the effect says, `seconds` how long the work takes; `doomed_child` is the place of one that fails."""

    name: str
    seconds: float = 0.0
    failures: int = 0
    width: int = 0
    doomed_child: int | None = None
    key: str | None = None


LedgerJob = Job[Work, Any]


def _kind(name: str, **changes: Any) -> JobKind[Work]:
    declared: dict[str, Any] = {
        "queue": "default",
        "priority": 0,
        "retry": ENOUGH,
        "time_limit_seconds": 30,
        "max_age_seconds": 900,
        "concurrency_per_tenant": 20,
        "concurrency_per_key": 1,
        "concurrency_key": lambda args: args.key,
        "cancellable": True,
        "schedulable": False,
        "dedupe_key": lambda _: None,
    }
    return JobKind(name=f"ledger.{name}", args=Work, **(declared | changes))


SHORT = _kind("short", queue="notify", concurrency_per_tenant=8)
LONG = _kind("long")
HOG = _kind("hog", concurrency_per_tenant=2)
FAN = _kind("fan")
CHAIN = _kind("chain")
FLAKY = _kind("flaky")
DELAYED = _kind("delayed")
CALLED_OFF = _kind("called_off")
KEYED = _kind("keyed", queue="notify")
SPAWNING = _kind("spawning")
DOOMED = _kind("doomed", retry=FEW)
POISON = _kind("poison", retry=FEW)


async def record(name: str) -> None:
    """Append to the ledger, in the transaction that is open."""
    await query.execute("INSERT INTO ledger (name) VALUES ($1)", name)


async def plain(job: LedgerJob) -> None:
    """Take a while, and be done."""
    await asyncio.sleep(job.args.seconds)
    await _succeed(job)


async def long(job: LedgerJob) -> None:
    """Do part after part, each once over all attempts, under the attempt's fence."""
    for part in range(PARTS):
        await asyncio.sleep(job.args.seconds / PARTS)
        name = f"{job.args.name}/{part}"
        async with unit_of_work() as uow:
            await job.attempt.fence(uow)
            if not await query.fetch_value("SELECT EXISTS (SELECT FROM ledger WHERE name = $1)", name):
                await record(name)
        await job.attempt.report("parts", part + 1, PARTS)
    await _succeed(job)


async def hog(job: LedgerJob) -> None:
    """Hold the interpreter's lock: a `PyDLL` call does not release it."""
    ctypes.PyDLL(None).usleep(int(job.args.seconds * 1_000_000))
    await _succeed(job)


async def fan(job: LedgerJob) -> None:
    """Ask for children first, and be done when they are."""
    args = job.args
    if await job.attempt.children():
        await _succeed(job)
        return
    names = [f"{args.name}.{place}" for place in range(args.width)]
    children = [
        Child(kind=DOOMED if place == args.doomed_child else SHORT, args=Work(name=name))
        for place, name in enumerate(names)
    ]
    async with unit_of_work() as uow:
        await job.attempt.fan_out(uow, children, "fail" if args.width % 2 else "continue")


async def flaky(job: LedgerJob) -> None:
    """Fail a few times."""
    if job.attempt.claim.attempt <= job.args.failures:
        raise RuntimeError("as planned")
    await _succeed(job)


async def spawning(job: LedgerJob) -> None:
    """Ask for another job in the transaction that ends this one."""
    async with unit_of_work() as uow:
        await record(job.args.name)
        await uow.enqueue(SHORT, Work(name=f"{job.args.name}.0"), subject=job.attempt.claim)
        await job.attempt.succeed(uow)


async def doomed(job: LedgerJob) -> None:
    """Write, and take it back by failing."""
    async with unit_of_work():
        await record(job.args.name)
        raise RuntimeError("as planned")


async def poison(_job: LedgerJob) -> None:
    """Kill the worker."""
    os.kill(os.getpid(), signal.SIGKILL)


async def ended(_uow: UnitOfWork, _job: EndedJob, args: Work) -> None:
    """Say that the job is dead or cancelled, in the transaction that ends it."""
    await record(f"ended {args.name}")


async def _succeed(job: LedgerJob) -> None:
    async with unit_of_work() as uow:
        await record(job.args.name)
        await job.attempt.succeed(uow)


BODIES: tuple[tuple[JobKind[Work], Callable[[LedgerJob], Any]], ...] = (
    (SHORT, plain),
    (LONG, long),
    (HOG, hog),
    (FAN, fan),
    (CHAIN, plain),
    (FLAKY, flaky),
    (DELAYED, plain),
    (CALLED_OFF, long),
    (KEYED, plain),
    (SPAWNING, spawning),
    (DOOMED, doomed),
    (POISON, poison),
)
EXPECTED_TO_FAIL = frozenset(kind.name for kind in (DOOMED, POISON))
