"""The event bus, as the leading clock runs it: events leave the outbox for Redis, and consumers handle them.

lyceum.events   stream of about 10,000 entries, one per event: id `position-0`, fields `id`, `kind`, `tenant_id`

As with jobs, Redis carries ids and Postgres is the truth. An entry wakes the consumers' groups; what they handle, and how
far they are, they read from the outbox. So an entry that is lost, comes twice or comes late changes nothing, and without
Redis consumers look for themselves. An effect is one transaction with its receipt: whatever dies, it happens once.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from opentelemetry.trace import SpanKind

from actors.context import log_failure
from backend.errors import LyceumError
from backend.notifications.fanout import fan_out
from db.errors import DatabaseUnavailable
from db.events import StoredEvent
from db.jobs import RetrySchedule
from db.repositories import events, outbox
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.context import bind_request, new_request_id
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError, open_redis, open_redis_blocking
from ops.runtime.settings import Settings
from ops.runtime.telemetry import extract_traceparent, tracer

log = get_logger(__name__)

STREAM: Final = "lyceum.events"
STREAM_ENTRIES: Final = 10_000
MEMBER: Final = "clock"
"""The group's one consumer: what a clock that died has read and not acknowledged is read again by the next."""
BATCH: Final = 200
RELAY_SECONDS: Final = 0.5
WAIT_MS: Final = 1000
WAIT_SECONDS: Final = WAIT_MS / 1000
FAULT_SECONDS: Final = 5.0
KNOWN_ID: Final = "equal or smaller"

Handle = Callable[[UnitOfWork, StoredEvent], Awaitable[None]]


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """Who handles events. `handle` does its effect in the given transaction, and leaves long or outside work to jobs."""

    name: str
    retry: RetrySchedule
    handle: Handle


CONSUMERS: Final = (
    Consumer(name="webhooks", retry=RetrySchedule((1.0, 5.0, 30.0, 120.0, 600.0, 1800.0)), handle=fan_out),
)
CONSUMER_NAMES: Final = [consumer.name for consumer in CONSUMERS]


class EventRelay:
    """Numbers events and tells Redis of them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def run(self) -> None:
        """Relay until cancelled."""
        while True:
            try:
                await self.tick()
            except DatabaseUnavailable as error:
                log.warning("event_relay_without_database", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - a fault of the bus must not end the clock's other work
                log_failure(log, "event_relay_failed", error)
                await asyncio.sleep(FAULT_SECONDS)
            await asyncio.sleep(RELAY_SECONDS)

    async def tick(self) -> int:
        """Relay what there is; return how many events Redis was told of."""
        await outbox.number()
        rows = await outbox.unsent()
        if not rows:
            return 0
        pipeline = self._redis.pipeline(transaction=False)
        for row in rows:
            fields: Any = {"id": str(row.id), "kind": row.kind, "tenant_id": str(row.tenant_id)}
            pipeline.xadd(STREAM, fields, id=f"{row.position}-0", maxlen=STREAM_ENTRIES, approximate=True)
        try:
            answers = await pipeline.execute(raise_on_error=False)
            # A clock may have died after it told Redis and before it noted so: the stream takes an id once.
            for refusal in (answer for answer in answers if isinstance(answer, Exception)):
                if KNOWN_ID not in str(refusal):
                    raise refusal
        except RedisError as error:
            log.warning("event_relay_without_redis", error=type(error).__name__)
            return 0
        await outbox.mark_sent([row.position for row in rows])
        return len(rows)


class Consuming:
    """One consumer at work; only the leading clock's may run, and a second one does no harm."""

    def __init__(self, consumer: Consumer, redis: Redis) -> None:
        self._consumer = consumer
        self._redis = redis
        self._read_from = "0"
        self._is_away = False

    async def run(self) -> None:
        """Handle events until cancelled."""
        while True:
            try:
                entries = await self._wake()
                await self.catch_up()
                await self._acknowledge(entries)
            except DatabaseUnavailable as error:
                log.warning("consumer_without_database", consumer=self._consumer.name, error=type(error).__name__)
                await asyncio.sleep(WAIT_SECONDS)
            except Exception as error:  # noqa: BLE001 - see the relay
                log_failure(log, "consumer_failed", error, consumer=self._consumer.name)
                await asyncio.sleep(FAULT_SECONDS)

    async def catch_up(self) -> int:
        """Handle everything after the consumer's position, and what is due to be tried again; return how many events."""
        name, count = self._consumer.name, 0
        await events.add_consumer(name)
        while True:
            again, batch = await events.to_retry(name, BATCH), await events.to_handle(name, BATCH)
            for event in [*again, *batch]:
                await self._deliver(event)
            if batch:
                await events.advance(name, batch[-1].position)
            count += len(again) + len(batch)
            if len(batch) < BATCH:
                return count

    async def _deliver(self, event: StoredEvent) -> None:
        """Do the effect once; what fails is noted and holds up no other event."""
        name = self._consumer.name
        try:
            span = tracer(__name__).start_as_current_span(
                f"event {event.kind}", extract_traceparent(event.traceparent), kind=SpanKind.CONSUMER
            )
            with bind_request(event.request_id or new_request_id()), span:
                async with unit_of_work() as uow:
                    if await events.receive(uow, name, event.id):
                        await self._consumer.handle(uow, event)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a consumer raises is its failure to handle this event
            log_failure(log, "event_not_handled", error, consumer=name, event_id=str(event.id), kind=event.kind)
            await self._note_failure(event, error)

    async def _note_failure(self, event: StoredEvent, error: Exception) -> None:
        name, retry = self._consumer.name, self._consumer.retry
        delays = [retry.delay_seconds(attempt) for attempt in range(1, retry.max_attempts)]
        if await events.note_failure(event, name, _type_of(error), delays) == "dead":
            log.error("event_given_up", consumer=name, event_id=str(event.id), kind=event.kind)

    async def _wake(self) -> Sequence[bytes]:
        """Wait for an entry, a second at most, and return the ids of those read; without Redis just wait."""
        group = self._consumer.name
        try:
            if self._read_from == "0":
                await self._make_group()
            found: Any = await self._redis.xreadgroup(
                group, MEMBER, {STREAM: self._read_from}, count=BATCH, block=WAIT_MS
            )
            self._read_from = ">" if self._read_from == ">" or not _ids_in(found) else "0"
            self._is_away = False
            return _ids_in(found)
        except RedisError as error:
            self._read_from = "0"  # a server that has lost the stream has lost the group too
            if not self._is_away:
                log.warning("consumer_without_redis", consumer=group, error=type(error).__name__)
            self._is_away = True
            await asyncio.sleep(WAIT_SECONDS)
            return []

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(STREAM, self._consumer.name, id="0", mkstream=True)
        except RedisError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _acknowledge(self, entries: Sequence[bytes]) -> None:
        if not entries:
            return
        try:
            await self._redis.xack(STREAM, self._consumer.name, *entries)
        except RedisError as error:
            log.info("events_not_acknowledged", entries=len(entries), error=type(error).__name__)


class EventBus:
    """The relay and every consumer, side by side."""

    def __init__(self, relay: EventRelay, consuming: Sequence[Consuming]) -> None:
        self._works: list[EventRelay | Consuming] = [relay, *consuming]

    async def run(self) -> None:
        """Work until cancelled; an effect that is being done then is undone."""
        async with asyncio.TaskGroup() as group:
            for work in self._works:
                group.create_task(work.run())


@asynccontextmanager
async def open_event_bus(settings: Settings) -> AsyncIterator[EventBus]:
    """Open the bus's connections."""
    redis, blocking = open_redis(settings.redis_url), open_redis_blocking(settings.redis_url)
    try:
        yield EventBus(EventRelay(redis), [Consuming(consumer, blocking) for consumer in CONSUMERS])
    finally:
        await blocking.aclose()
        await redis.aclose()


def _ids_in(found: Any) -> list[bytes]:
    """Return the ids of the entries read, in either form in which redis-py gives streams."""
    streams = found.values() if isinstance(found, dict) else [entries for _, entries in found or []]
    return [entry[0] for entries in streams for entry in _flat(entries)]


def _flat(entries: Any) -> list[Any]:
    """RESP3 wraps the entries of a stream in one more list."""
    return list(entries[0]) if entries and isinstance(entries[0], list) else list(entries)


def _type_of(error: Exception) -> str:
    return error.type if isinstance(error, LyceumError) else type(error).__name__
