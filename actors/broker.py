"""The worker's end of Redis: takes messages, which say that jobs of a queue wait.

Dramatiq moves messages and nothing else: no retries, results, delays or time limits of its own, for the job's row holds
all of that. A message that is lost or comes twice changes nothing, so it is acknowledged as soon as it is taken: those of
a worker that dies are sent again by the clock.
"""

import asyncio
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import msgspec
from dramatiq.brokers.redis import RedisBroker

from db.dispatch import BROKER_NAMESPACE
from ops.runtime.redis import RedisError, open_blocking_broker

HEARTBEAT_TIMEOUT_MS = 30_000
MAINTENANCE_CHANCE = 20_000
"""In a million commands. Messages held by a dead process only take room."""
UNREAD_MESSAGE_TTL_MS = 3_600_000


class MessagesUnavailable(Exception):
    """Redis gave no answer."""


class _Options(msgspec.Struct):
    redis_message_id: str


class _Message(msgspec.Struct):
    """What is read of one of Dramatiq's messages."""

    args: tuple[UUID]
    options: _Options


_decoder = msgspec.json.Decoder(_Message)


class Messages:
    """Takes several messages in one round trip, in threads of its own: a Redis that is silent holds up nothing else."""

    def __init__(self, broker_url: str, queues: Collection[str]) -> None:
        self._broker = RedisBroker(  # type: ignore[no-untyped-call]
            client=open_blocking_broker(broker_url),
            namespace=BROKER_NAMESPACE,
            middleware=[],
            heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
            maintenance_chance=MAINTENANCE_CHANCE,
            dead_message_ttl=UNREAD_MESSAGE_TTL_MS,
        )
        self._threads = ThreadPoolExecutor(len(queues), thread_name_prefix="messages")

    async def take(self, queue: str, count: int) -> list[UUID]:
        """Take up to `count` messages of the queue, oldest first, and return the ids of the jobs they name.

        Raises:
            MessagesUnavailable: nothing was taken, or the clock will send it again.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._take, queue, count)

    def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._broker.close()

    def _take(self, queue: str, count: int) -> list[UUID]:
        try:
            messages = [_decoder.decode(data) for data in self._broker.do_fetch(queue, count) if data is not None]
            if messages:
                self._acknowledge(queue, [message.options.redis_message_id for message in messages])
        except RedisError as error:
            raise MessagesUnavailable(type(error).__name__) from error
        return [message.args[0] for message in messages]

    def _acknowledge(self, queue: str, message_ids: list[str]) -> None:
        """Do for several messages what the broker's `ack` does for one; where its keys are stands in its `dispatch.lua`."""
        with self._broker.client.pipeline() as pipeline:
            pipeline.srem(f"{BROKER_NAMESPACE}:__acks__.{self._broker.broker_id}.{queue}", *message_ids)
            pipeline.hdel(f"{BROKER_NAMESPACE}:{queue}.msgs", *message_ids)
            pipeline.execute()
