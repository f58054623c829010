"""A worker with jobs of its own, made to do what a worker must survive: `run_worker` with the leases of an impatient clock.

Effects go to the table `effects`, which knows nothing of jobs and refuses nothing: a row for each time.
"""

import asyncio
import ctypes
import functools
import os
import signal
from collections.abc import Callable
from typing import Any

import msgspec

from actors import main
from actors.actor import actor
from actors.keeper import LeaseKeeper
from actors.runner import Runner
from backend.jobs.attempt import Job
from db import query
from db.jobs import JobKind, RetrySchedule
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.settings import Settings

LEASE_SECONDS = 1.5
SILENCE_SECONDS = 2.0
FOR_GOOD_SECONDS = 100_000


class Work(msgspec.Struct, frozen=True):
    """`name` is what the effect says; `seconds` is how long the work takes."""

    name: str
    seconds: float = 0.0


def _kind(name: str, **changes: Any) -> JobKind[Work]:
    declared: dict[str, Any] = {
        "queue": "default",
        "priority": 0,
        "retry": RetrySchedule((0.1, 0.1)),
        "time_limit_seconds": 60,
        "max_age_seconds": 600,
        "concurrency_per_tenant": 20,
        "concurrency_per_key": 1,
        "concurrency_key": _no_key,
        "cancellable": True,
        "schedulable": False,
        "dedupe_key": _no_key,
    }
    return JobKind(name=name, args=Work, **(declared | changes))


def _no_key(_args: Work) -> str | None:
    return None


SLEEP = _kind("chaos.sleep")
HOG = _kind("chaos.hog")
HANG = _kind("chaos.hang", time_limit_seconds=1.0)
POISON = _kind("chaos.poison")
FRAIL = _kind("chaos.frail", retry=RetrySchedule(()))
"""One attempt and no second."""


async def sleep(job: Job[Work, Any]) -> None:
    """Take a while, politely."""
    await asyncio.sleep(job.args.seconds)
    await _succeed(job)


async def hog(job: Job[Work, Any]) -> None:
    """Hold the interpreter's lock: a `PyDLL` call does not release it."""
    await _note("began", job)
    ctypes.PyDLL(None).usleep(int(job.args.seconds * 1_000_000))
    await _succeed(job)


async def hang(job: Job[Work, Any]) -> None:
    """Hold the lock for good, the first time: in one call, or in calls of `seconds` between which others get their turn."""
    await _note("began", job)
    library = ctypes.PyDLL(None)
    while job.attempt.claim.attempt == 1:
        library.usleep(int(job.args.seconds * 1_000_000)) if job.args.seconds else library.sleep(FOR_GOOD_SECONDS)
    await _succeed(job)


async def poison(job: Job[Work, Any]) -> None:
    """Kill the worker."""
    await _note("began", job)
    os.kill(os.getpid(), signal.SIGKILL)


async def _note(what: str, job: Job[Work, Any]) -> None:
    await query.execute("INSERT INTO effects (name) VALUES ($1)", f"{what} {job.args.name}")


async def _succeed(job: Job[Work, Any]) -> None:
    async with unit_of_work() as uow:
        await _effect(uow, job)
        await job.attempt.succeed(uow)


async def _effect(uow: UnitOfWork, job: Job[Work, Any]) -> None:
    del uow
    await query.execute("INSERT INTO effects (name) VALUES ($1)", job.args.name)


BODIES: tuple[tuple[JobKind[Work], Callable[[Job[Work, Any]], Any]], ...] = (
    (SLEEP, sleep),
    (FRAIL, sleep),
    (HOG, hog),
    (HANG, hang),
    (POISON, poison),
)


def run(settings: Settings) -> None:
    """Serve the queue `default` until told to stop."""
    for kind, body in BODIES:
        actor(kind)(body)
    main.LeaseKeeper = functools.partial(LeaseKeeper, silence_seconds=SILENCE_SECONDS)  # type: ignore[misc,assignment]
    main.Runner = functools.partial(Runner, lease_seconds=LEASE_SECONDS)  # type: ignore[misc,assignment]
    main.run_worker(settings, ("default",))
