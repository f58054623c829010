"""The clock process. Several may run; one leads, as an advisory lock decides, and its death frees the lock at once."""

import asyncio
import signal
from contextlib import AsyncExitStack

from actors.context import log_failure
from actors.relay import Relay
from actors.upkeep import Upkeep
from db.dispatch import close_dispatch, open_dispatch
from db.engine import open_database
from db.errors import DatabaseError
from db.session import LEADER_LOCK_CLASS, SessionLock
from db.watch import watched_database
from ops.runtime.logging import configure_logging, get_logger
from ops.runtime.objects import ObjectStore
from ops.runtime.ready import announce_ready
from ops.runtime.redis import open_redis
from ops.runtime.settings import Settings
from ops.runtime.telemetry import configure_telemetry, shutdown_telemetry

log = get_logger(__name__)

TICK_SECONDS = 1.0
LEADER_KEY = 1


def run_clock(settings: Settings) -> None:
    """Lead, or wait to lead, until SIGTERM or SIGINT."""
    configure_logging("clock", settings.log_level)
    configure_telemetry("clock", settings)
    try:
        asyncio.run(_run(settings))
    finally:
        shutdown_telemetry()


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        await open_database(settings, pool_size=4)
        await stack.enter_async_context(watched_database(settings, pool_size=4))
        open_dispatch(settings.broker_url)
        stack.callback(close_dispatch)
        broker = open_redis(settings.broker_url)
        stack.push_async_callback(broker.aclose)
        lock = SessionLock(settings.direct_database_url, LEADER_LOCK_CLASS, LEADER_KEY)
        stack.push_async_callback(lock.release)
        announce_ready()
        log.info("clock_started")
        await _lead(lock, Relay(broker), Upkeep(ObjectStore.from_url(settings.object_store_url)), stop)


async def _lead(lock: SessionLock, relay: Relay, upkeep: Upkeep, stop: asyncio.Event) -> None:
    """Tick each second while the lock is ours. Each tick is a task of its own, so that none inherits another's context."""
    leads = False
    while not stop.is_set():
        try:
            if (leads and await lock.is_held()) or await lock.acquire(wait=False):
                if not leads:
                    log.info("clock_leads")
                leads = True
                await asyncio.create_task(_tick(relay, upkeep))
            else:
                leads = False
        except DatabaseError as error:
            leads = False
            log.warning("clock_without_database", error=type(error).__name__)
        try:
            async with asyncio.timeout(TICK_SECONDS):
                await stop.wait()
        except TimeoutError:
            continue


async def _tick(relay: Relay, upkeep: Upkeep) -> None:
    try:
        await relay.tick()
        await upkeep.tick()
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - a broken tick must not end the clock; the next one is due in a second
        log_failure(log, "tick_failed", error)
