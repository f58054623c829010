"""Pushes job ids to Redis after their rows are committed.

A push is a hint: when it fails, or the process dies before it, the relay in `actors` finds the row and pushes it.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from uuid import UUID

from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from ops.runtime.logging import get_logger
from ops.runtime.redis import open_blocking_broker

log = get_logger(__name__)

BROKER_NAMESPACE = "lyceum"
PUSHES_AT_ONCE = 2


class Dispatch(NamedTuple):
    """What a message says: the actor (the job kind's name), the queue and the job's id."""

    actor: str
    queue: str
    job_id: UUID


class Dispatcher:
    """Sends bare messages; it needs no actor declared in this process."""

    def __init__(self, broker_url: str) -> None:
        self._broker = RedisBroker(  # type: ignore[no-untyped-call]
            client=open_blocking_broker(broker_url), namespace=BROKER_NAMESPACE, middleware=[]
        )
        # Threads of its own: a Redis that swallows everything must not take those that others work in.
        self._threads = ThreadPoolExecutor(PUSHES_AT_ONCE, thread_name_prefix="dispatch")

    async def push(self, dispatches: list[Dispatch]) -> bool:
        """Send the messages in a thread; return False, after logging why, when Redis did not take them."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._push, dispatches)
        except Exception as error:  # noqa: BLE001 - redis, socket and time-out errors share no base; the relay repeats the push
            log.warning("dispatch_failed", jobs=len(dispatches), error=type(error).__name__)
            return False
        return True

    def close(self) -> None:
        """Close the connections; what waits to be pushed is left to the relay."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._broker.close()

    def _push(self, dispatches: list[Dispatch]) -> None:
        for dispatch in dispatches:
            message: Message[None] = Message(
                queue_name=dispatch.queue,
                actor_name=dispatch.actor,
                args=(str(dispatch.job_id),),
                kwargs={},
                options={},
            )
            self._broker.enqueue(message)


_dispatcher: Dispatcher | None = None


def open_dispatch(broker_url: str) -> None:
    """Set where this process pushes; without it jobs wait for the relay."""
    global _dispatcher  # noqa: PLW0603 - one broker connection per process, as with the database's pool
    _dispatcher = Dispatcher(broker_url)


def close_dispatch() -> None:
    """Forget the broker."""
    global _dispatcher  # noqa: PLW0603 - see open_dispatch
    if _dispatcher is not None:
        _dispatcher.close()
    _dispatcher = None


def dispatcher() -> Dispatcher | None:
    """Return this process's dispatcher, if it has one."""
    return _dispatcher
