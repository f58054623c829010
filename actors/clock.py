"""The clock process. Several may run; one leads, as an advisory lock decides, and its death frees the lock at once."""

import asyncio
import faulthandler
import signal
from contextlib import AsyncExitStack

from actors.context import log_failure
from actors.events import EventBus, open_event_bus
from actors.relay import Relay
from actors.scheduler import fire_due
from actors.upkeep import Upkeep, upkeep_lanes
from db.dispatch import close_dispatch, open_dispatch
from db.engine import open_database
from db.errors import DatabaseError
from db.session import LEADER_LOCK_CLASS, SessionLock
from db.watch import watched_database
from ops.runtime.exposition import exposed_metrics
from ops.runtime.logging import configure_logging, get_logger
from ops.runtime.objects import ObjectStore
from ops.runtime.ready import announce_ready
from ops.runtime.redis import open_redis
from ops.runtime.settings import Settings
from ops.runtime.telemetry import configure_telemetry, shutdown_telemetry
from rag.store import open_vector_store

log = get_logger(__name__)

TICK_SECONDS = 1.0
STOP_SECONDS = 5.0
EXIT_SECONDS = 20.0
"""The latest end after SIGTERM. What still waits then, e.g. for a server that fell silent, is shown and cut off."""
LEADER_KEY = 1
LEADER_SILENCE_SECONDS = 6.0
"""A leader that stands still that long, e.g. stopped by a debugger, makes room for the other."""
POOL_SIZE = 7


class Beside:
    """What the leader does beside the relay; it ends as one."""

    def __init__(self, *works: Upkeep | EventBus) -> None:
        self._works = works

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for work in self._works:
                group.create_task(work.run())


def run_clock(settings: Settings) -> None:
    """Lead, or wait to lead, until SIGTERM or SIGINT."""
    configure_logging("clock", settings.log_level)
    configure_telemetry("clock", settings)
    try:
        with exposed_metrics(settings.metrics_address):
            asyncio.run(_run(settings))
    finally:
        shutdown_telemetry()


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()

    def leave() -> None:
        faulthandler.dump_traceback_later(EXIT_SECONDS, exit=True)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave)
    async with AsyncExitStack() as stack:
        await open_database(settings, pool_size=POOL_SIZE)
        await stack.enter_async_context(watched_database(settings, pool_size=POOL_SIZE))
        open_dispatch(settings.broker_url)
        stack.callback(close_dispatch)
        broker = open_redis(settings.broker_url)
        stack.push_async_callback(broker.aclose)
        lock = SessionLock(
            settings.direct_database_url, LEADER_LOCK_CLASS, LEADER_KEY, silence_seconds=LEADER_SILENCE_SECONDS
        )
        stack.push_async_callback(lock.release)
        vectors = open_vector_store(settings.qdrant_url, settings.qdrant_api_key)
        stack.push_async_callback(vectors.close)
        upkeep = Upkeep(upkeep_lanes(ObjectStore.from_url(settings.object_store_url), vectors))
        bus = await stack.enter_async_context(open_event_bus(settings))
        announce_ready()
        log.info("clock_started")
        await _lead(lock, Relay(broker), Beside(upkeep, bus), stop)


async def _lead(lock: SessionLock, relay: Relay, beside: Beside | Upkeep, stop: asyncio.Event) -> None:
    """Tick each second while the lock is ours, with the upkeep and the event bus at work beside.

    Each tick is a task of its own, so that none inherits another's context.
    """
    at_work: asyncio.Task[None] | None = None
    try:
        while not stop.is_set():
            try:
                if at_work is not None and (at_work.done() or not await lock.is_held()):
                    await _ended(at_work)
                    at_work = None
                if at_work is None and await lock.acquire(wait=False):
                    log.info("clock_leads")
                    relay.begin()
                    at_work = asyncio.create_task(beside.run())
                if at_work is not None:
                    await asyncio.create_task(_tick(relay))
            except DatabaseError as error:
                await _ended(at_work)
                at_work = None
                log.warning("clock_without_database", error=type(error).__name__)
            await _wait(stop)
    finally:
        await _ended(at_work)


async def _ended(work: asyncio.Task[None] | None) -> None:
    """Stop the upkeep. What does not answer is left to end by itself: its locks keep it from harm."""
    if work is not None:
        work.cancel()
        await asyncio.wait([work], timeout=STOP_SECONDS)
        if not work.done():
            log.warning("upkeep_does_not_stop")
        elif not work.cancelled() and (error := work.exception()) is not None:
            log_failure(log, "upkeep_ended", error)


async def _wait(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(TICK_SECONDS):
            await stop.wait()
    except TimeoutError:
        return


async def _tick(relay: Relay) -> None:
    for work in (relay.tick, fire_due):
        try:
            await work()
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001 - a broken tick must not end the clock; the next one is due in a second
            log_failure(log, "tick_failed", error)
