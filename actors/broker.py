"""The worker's end of Redis: consumes job ids and hands them to the worker's event loop.

Dramatiq moves messages and nothing else: no retries, results, delays or time limits of its own, for the job's row holds
all of that. A message that is lost or comes twice changes nothing.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol
from uuid import UUID

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from actors.actor import Actor
from db.dispatch import BROKER_NAMESPACE
from ops.runtime.redis import open_blocking_broker

HEARTBEAT_TIMEOUT_MS = 30_000
MAINTENANCE_CHANCE = 20_000
"""In a million commands. Messages held by a dead process only take room: the clock pushes their ids again."""
IDLE_POLL_MS = 250
UNREAD_MESSAGE_TTL_MS = 3_600_000


class RunJob(Protocol):
    """What a message asks for."""

    def __call__(self, job_id: UUID) -> Coroutine[Any, Any, None]: ...


class Consumer:
    """Threads that fetch messages; each waits while the job it brought runs on `loop`."""

    def __init__(self, broker_url: str, actors: list[Actor[Any]], queues: set[str], threads: int, run: RunJob) -> None:
        self._loop = asyncio.get_running_loop()
        self._run = run
        broker = RedisBroker(  # type: ignore[no-untyped-call]
            client=open_blocking_broker(broker_url),
            namespace=BROKER_NAMESPACE,
            middleware=[],
            heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
            maintenance_chance=MAINTENANCE_CHANCE,
            dead_message_ttl=UNREAD_MESSAGE_TTL_MS,
        )
        for actor in actors:
            if actor.kind.queue in queues:
                self._declare(broker, actor)
        self._broker = broker
        self._worker = dramatiq.Worker(broker, queues=queues, worker_threads=threads, worker_timeout=IDLE_POLL_MS)
        self._worker.queue_prefetch = threads  # more would sit hostage here while another worker idles

    def start(self) -> None:
        """Begin to fetch."""
        self._worker.start()

    async def stop(self, timeout_seconds: float) -> None:
        """Fetch no more, wait for the jobs that run, and return the messages not begun."""
        await asyncio.to_thread(self._worker.stop, int(timeout_seconds * 1000))
        await asyncio.to_thread(self._broker.close)

    def _declare(self, broker: RedisBroker, actor: Actor[Any]) -> None:
        def run(job_id: str) -> None:
            asyncio.run_coroutine_threadsafe(self._run(UUID(job_id)), self._loop).result()

        dramatiq.Actor(
            run,
            broker=broker,
            actor_name=actor.kind.name,
            queue_name=actor.kind.queue,
            priority=actor.kind.priority,
            options={},
        )
