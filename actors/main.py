"""The worker process."""

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import psutil
import uvloop

from actors.broker import Messages
from actors.crash import crash_hook
from actors.feed import Feed
from actors.keeper import LeaseKeeper
from actors.runner import Runner
from actors.tools import Tools, open_tools
from backend.documents.reindexing import keep_index
from backend.documents.sandbox import has_required_walls
from db.dispatch import close_dispatch, open_dispatch
from db.engine import open_database
from db.errors import DatabaseError
from db.jobs import QUEUES
from db.repositories import workers
from db.session import WORKER_LOCK_CLASS, SessionLock
from db.watch import watched_database
from inference_gateway.contract import GatewayError
from ops.runtime.exposition import exposed_metrics
from ops.runtime.ids import new_id
from ops.runtime.logging import configure_logging, get_logger
from ops.runtime.ready import announce_ready
from ops.runtime.settings import Settings
from ops.runtime.telemetry import configure_telemetry, shutdown_telemetry
from rag.store import VectorStoreError

log = get_logger(__name__)

THREADS = 8
HEARTBEAT_SECONDS = 5.0
RETRY_SECONDS = 0.3
INDEX_CHECK_SECONDS = 300.0
INDEX_RETRY_SECONDS = 5.0
DRAIN_SECONDS = 5.0
STOP_SECONDS = 10.0
EXIT_UNUSABLE = 1


def run_worker(settings: Settings, queues: Sequence[str] = QUEUES, threads: int = THREADS) -> None:
    """Run jobs of `queues` until SIGTERM, SIGINT or an operator's wish; what is not done 5 s later is handed back unfinished.

    Raises:
        SystemExit: status 1; production wants walls around documents that this machine cannot give.
    """
    configure_logging("worker", settings.log_level)
    configure_telemetry("worker", settings)
    try:
        with exposed_metrics(settings.metrics_address):
            uvloop.run(_work(settings, list(queues), threads))
    finally:
        shutdown_telemetry()


async def _work(settings: Settings, queues: list[str], threads: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if "ingest" in queues and not await has_required_walls(settings.env):
        # Documents wait in the queue for a worker that can read them, instead of using up their attempts here.
        raise SystemExit(EXIT_UNUSABLE)
    worker_id = new_id()
    async with AsyncExitStack() as stack:
        await open_database(settings, pool_size=threads + 2)
        await stack.enter_async_context(watched_database(settings, pool_size=threads + 2))
        open_dispatch(settings.broker_url)
        stack.callback(close_dispatch)
        tools = await stack.enter_async_context(open_tools(settings))
        keeper = LeaseKeeper(settings.direct_database_url)
        stack.callback(keeper.close)
        beating = asyncio.create_task(keeper.beat())
        stack.callback(beating.cancel)
        runner = Runner(worker_id, tools, crash_hook(settings.env), keeper=keeper)
        lock_key = await workers.add_worker(worker_id, socket.gethostname(), os.getpid(), queues, threads)
        lock = await stack.enter_async_context(SessionLock(settings.direct_database_url, WORKER_LOCK_CLASS, lock_key))
        feed = Feed(Messages(settings.broker_url, queues), queues, threads, runner)
        feed.start()
        log.info("worker_started", queues=queues, threads=threads)
        announce_ready()
        upkeep = asyncio.create_task(_keep_index(tools)) if "ingest" in queues else None
        await _stay_alive(worker_id, lock, stop)
        if upkeep is not None:
            upkeep.cancel()
        await _drain(runner, feed)
        await workers.stop_worker(worker_id)
        log.info("worker_stopped")


async def _stay_alive(worker_id: UUID, lock: SessionLock, stop: asyncio.Event) -> None:
    """Beat until told to stop, by a signal or by an operator. Should the lock's connection end, the lock is taken anew at
    once: after a moment without it jobs are taken from us.
    """
    process = psutil.Process()
    while not stop.is_set():
        try:
            if not await lock.is_held():
                await lock.acquire()
            if await workers.beat(worker_id, process.memory_info().rss):
                log.info("drain_requested")
                stop.set()
        except DatabaseError as error:
            log.warning("heartbeat_failed", error=type(error).__name__)
        if lock.lost.is_set():
            await _wait(stop, RETRY_SECONDS)
        else:
            await _wait_for_either(stop, lock.lost, HEARTBEAT_SECONDS)


async def _keep_index(tools: Tools) -> None:
    """See that everything served can be found with the present embedder, now and every few minutes."""
    while True:
        try:
            if documents := await keep_index(tools):
                log.warning("index_incomplete", documents=documents)
            pause = INDEX_CHECK_SECONDS
        except (GatewayError, VectorStoreError, DatabaseError) as error:
            log.info("index_not_checked", error=type(error).__name__)
            pause = INDEX_RETRY_SECONDS
        await asyncio.sleep(pause)


async def _drain(runner: Runner, feed: Feed) -> None:
    """Let short jobs finish, hand back the others."""
    runner.drain()
    stopping = asyncio.create_task(feed.stop(DRAIN_SECONDS + STOP_SECONDS))
    done, _ = await asyncio.wait({stopping}, timeout=DRAIN_SECONDS)
    if not done:
        log.info("jobs_handed_back", jobs=len(runner.running))
        runner.hand_back()
    await stopping


async def _wait_for_either(stop: asyncio.Event, lost: asyncio.Event, seconds: float) -> None:
    waits = {asyncio.create_task(stop.wait()), asyncio.create_task(lost.wait())}
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
