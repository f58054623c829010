"""The processes of a ledger run: worker and clock as they are, with an impatient lease, and who asks for the work.

`LEDGER_WITHOUT` takes a guard out, in these processes and nowhere else: `fencing` lets a replaced attempt write all the
same, whoever has the job and whether it still runs; `reconciler` leaves what died where it lies. Without the token alone,
while a job that has ended stays ended, effects are still single, but the attempt that has the job is left without an end.
"""

import asyncio
import functools
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

from actors import clock, main
from actors.actor import actor
from actors.relay import Relay
from actors.runner import Runner
from db import query
from db.dispatch import close_dispatch, open_dispatch
from db.engine import open_database
from db.enqueue import Place
from db.errors import DatabaseError
from db.repositories import jobs
from db.unit_of_work import unit_of_work
from db.watch import watched_database
from ops.runtime.logging import configure_logging, get_logger
from ops.runtime.ready import announce_ready
from ops.runtime.settings import Settings
from tests.chaos.ledger.kinds import BODIES, QUEUES, ended
from tests.chaos.ledger.plan import Request, draw
from tests.integration.jobs.conftest import Someone

log = get_logger(__name__)

THREADS = 6
WITHOUT = "LEDGER_WITHOUT"
FENCED = "AND fencing_token = $2 AND state = 'running'"
RENEWED = "AND fencing_token = token AND state = 'running'"
RETRY_SECONDS = 0.3


def run_worker(settings: Settings, lease_seconds: float) -> None:
    """Do the jobs until told to stop."""
    _declare()
    if os.environ.get(WITHOUT) == "fencing":
        _take_out_fencing()
    vars(main)["Runner"] = functools.partial(Runner, lease_seconds=lease_seconds)
    main.run_worker(settings, QUEUES, threads=THREADS)


def run_clock(settings: Settings) -> None:
    """Lead, or wait to."""
    _declare()
    if os.environ.get(WITHOUT) == "reconciler":
        vars(clock)["Relay"] = _Idle
    clock.run_clock(settings)


def run_enqueuer(
    settings: Settings, tenant_id: str, seed: int, count: int, seconds: float, lease_seconds: float
) -> None:
    """Ask for what `plan.draw` says, spread over `seconds`; whatever was asked for before this process began is left alone."""
    configure_logging("enqueuer", settings.log_level)
    asyncio.run(_enqueue(settings, Someone(UUID(tenant_id)), draw(seed, count, lease_seconds), seconds))


def _declare() -> None:
    for kind, body in BODIES:
        actor(kind, on_end=ended)(body)


class _Idle(Relay):
    async def tick(self) -> None:
        """Repair nothing."""


def _take_out_fencing() -> None:
    """Let every statement that asks whose the job is find that it is this attempt's."""

    def unfenced(run: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(run)
        def without(*arguments: Any) -> Any:
            return run(*(_opened(each) for each in arguments))

        return without

    for name in ("execute", "fetch", "fetch_one", "fetch_value"):
        setattr(query, name, unfenced(getattr(query, name)))


def _opened(argument: Any) -> Any:
    if not isinstance(argument, str):
        return argument
    return argument.replace(FENCED, "AND $2::bigint IS NOT NULL").replace(RENEWED, "")


async def _enqueue(settings: Settings, someone: Someone, requests: list[Request], seconds: float) -> None:
    async with AsyncExitStack() as stack:
        await open_database(settings, pool_size=2)
        await stack.enter_async_context(watched_database(settings, pool_size=2))
        open_dispatch(settings.broker_url)
        stack.callback(close_dispatch)
        announce_ready()
        done = set(await query.fetch_values("SELECT name FROM asked"))
        pause = seconds / len(requests)
        cancels: list[tuple[float, UUID]] = []
        for request in requests:
            if request.works[0].name in done:
                continue
            job_id = await _insistently(functools.partial(_ask, someone, request))
            if job_id is not None and request.cancel_after_seconds is not None:
                cancels.append((time.monotonic() + request.cancel_after_seconds, job_id))
            await _cancel_due(cancels, someone)
            await asyncio.sleep(pause)
        while cancels:
            await _cancel_due(cancels, someone)
            await asyncio.sleep(RETRY_SECONDS)
        await asyncio.sleep(RETRY_SECONDS)  # for what is being pushed


async def _ask(someone: Someone, request: Request) -> UUID | None:
    """Ask once: an answer that was lost may have been a yes."""
    async with unit_of_work() as uow:
        name, job_id = request.works[0].name, None
        if await query.fetch_value("SELECT EXISTS (SELECT FROM asked WHERE name = $1)", name):
            return None
        await query.execute("INSERT INTO asked (name) VALUES ($1)", name)
        for work in request.works:
            place = Place(after_id=job_id, delay_seconds=request.delay_seconds)
            job_id = await uow.enqueue(request.kind, work, subject=someone, place=place)
    return job_id


async def _cancel_due(cancels: list[tuple[float, UUID]], someone: Someone) -> None:
    for due in [each for each in cancels if each[0] <= time.monotonic()]:
        await _insistently(functools.partial(_cancel, due[1], someone))
        cancels.remove(due)


async def _cancel(job_id: UUID, someone: Someone) -> None:
    async with unit_of_work() as uow:
        await jobs.request_cancel(uow, job_id, someone.tenant_id)


async def _insistently(act: Callable[[], Any]) -> Any:
    while True:
        try:
            return await act()
        except DatabaseError as error:
            log.info("asked_again", error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
