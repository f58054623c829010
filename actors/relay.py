"""What the clock does each second: it repairs what the death of any process, or of Redis, has left behind."""

import time
from collections.abc import Awaitable, Callable
from functools import partial

from actors.context import log_failure
from actors.families import tell_of_end
from db.dispatch import BROKER_NAMESPACE, Dispatch, dispatcher
from db.errors import DatabaseUnavailable
from db.jobs import QUEUES, EndedJob
from db.repositories import job_families, job_upkeep, workers
from db.repositories.job_upkeep import StuckJob, Unwanted
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError

log = get_logger(__name__)

UNWANTED: tuple[Unwanted, ...] = ("cancelled", "expired")
MARKER = "lyceum:relay:run"
GRACE_SECONDS = 3.0
"""After a failure of the database every worker has lost its lock like the clock its own, and takes it again."""


class Relay:
    """Repairs the queue; only the leading clock's may run."""

    _began_at = 0.0

    def __init__(self, broker: Redis) -> None:
        self._broker = broker

    def begin(self) -> None:
        """Note that the lead has just been taken."""
        self._began_at = time.monotonic()

    async def tick(self) -> None:
        """Do everything once."""
        await self._give_back_lost()
        await self._end_unwanted()
        await self._look_after_relatives()
        await self._push()

    async def _give_back_lost(self) -> None:
        locks_tell = time.monotonic() >= self._began_at + GRACE_SECONDS
        for lost in await job_upkeep.lost_jobs(locks_tell=locks_tell):
            await _repair(lost, partial(job_upkeep.give_back, lost=lost))
        if not locks_tell:
            return
        if queues := await workers.note_dead_workers():
            again = await job_upkeep.forget_pushes(queues)
            log.warning("worker_died", queues=queues, pushed_again=again)

    async def _end_unwanted(self) -> None:
        for why in UNWANTED:
            for job in await job_upkeep.unwanted_jobs(why):
                await _repair(job, partial(job_upkeep.end_unwanted, job=job, why=why))

    async def _look_after_relatives(self) -> None:
        """Free, or end, those whose children or predecessors have ended while nobody looked."""
        for job in await job_families.bereft():
            await _repair(job, partial(job_families.end_bereft, job=job))
        if orphans := await job_families.cancel_orphans():
            log.info("orphans_called_off", jobs=orphans)
        await job_families.release_all()

    async def _push(self) -> None:
        sender = dispatcher()
        empty = await self._empty_queues()
        if sender is None or empty is None:
            return
        rows = await job_upkeep.jobs_to_push(empty)
        if rows and await sender.push([Dispatch(row.kind, row.queue, row.id) for row in rows]):
            await job_upkeep.mark_pushed(rows)
            log.info("jobs_pushed", jobs=len(rows))

    async def _empty_queues(self) -> list[str] | None:
        """Return the queues without a message in Redis, None while Redis is away; notice when it has lost its data."""
        try:
            run = str((await self._broker.info("server"))["run_id"]).encode()
            if await self._broker.get(MARKER) != run:
                again = await job_upkeep.forget_pushes(list(QUEUES))
                await self._broker.set(MARKER, run)
                log.info("redis_is_new", pushed_again=again)
            lengths = [await self._broker.llen(f"{BROKER_NAMESPACE}:{queue}") for queue in QUEUES]
        except RedisError as error:
            log.warning("relay_without_redis", error=type(error).__name__)
            return None
        return [queue for queue, length in zip(QUEUES, lengths, strict=True) if not length]


async def _repair(job: StuckJob, change: Callable[[UnitOfWork], Awaitable[EndedJob | None]]) -> None:
    """Apply `change` and tell the job's domain in the same transaction; one broken job must not hold up the others."""
    try:
        async with unit_of_work() as uow:
            ended = await change(uow)
            if ended is not None:
                await tell_of_end(uow, ended)
        log.info("job_repaired", job_id=str(job.id), kind=job.kind, ended=ended is not None)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a domain's hook raises, the other jobs go on
        log_failure(log, "job_not_repaired", error, job_id=str(job.id), kind=job.kind)
