"""Answers as other processes see them, in Redis. Losing all of it loses no stored answer.

chat:{id}:events   stream, one entry per event: id `seq-0`, fields `t` (type) and `d` (JSON); kept 15 minutes, 4,096 entries
chat:{id}:lease    string: the process that gives the answer lives; 5 s, renewed each second
chat:{id}:stop     string: somebody asked to stop; 5 minutes
chat:{id}:silent   string: the Unix time at which a reader first found no lease; 10 minutes
chat:wake:{process} stream of at most one entry: makes that process's blocked XREAD return (see `hub`)
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from backend.chat.events import EventType, Frame
from ops.runtime.ids import MessageId
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError

log = get_logger(__name__)

STREAM_MS = 15 * 60 * 1000
MAX_EVENTS = 4096
LEASE_MS = 5000
LEASE_RENEWED_SECONDS = 1.0
STOP_SECONDS = 300
SILENT_SECONDS = 600
SMALLEST_SILENCE = 1e-3


def events_key(message_id: MessageId) -> str:
    """Return the key of an answer's stream."""
    return f"chat:{message_id}:events"


def lease_key(message_id: MessageId) -> str:
    """Return the key that exists while somebody gives the answer."""
    return f"chat:{message_id}:lease"


def stop_key(message_id: MessageId) -> str:
    """Return the key that asks to stop."""
    return f"chat:{message_id}:stop"


def frame_of(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Frame:
    """Return the event of a stream's entry."""
    seq = int(entry_id.partition(b"-")[0])
    return Frame(seq, cast(EventType, fields[b"t"].decode()), fields[b"d"])


async def read_frames(redis: Redis, message_id: MessageId, after: int) -> list[Frame]:
    """Return the events in the stream after number `after`; raises RedisError."""
    entries: Any = await redis.xrange(events_key(message_id), min=f"({after}-0")
    return [frame_of(entry_id, fields) for entry_id, fields in entries]


async def silent_seconds(redis: Redis, message_id: MessageId) -> float:
    """Return for how long readers, in whichever process, have found nobody giving the answer; raises RedisError."""
    now = time.time()
    pipeline = redis.pipeline(transaction=False)
    pipeline.exists(lease_key(message_id))
    pipeline.set(silent_key(message_id), repr(now), nx=True, get=True, ex=SILENT_SECONDS)
    leased, since = await pipeline.execute()
    if leased:
        await redis.delete(silent_key(message_id))
        return 0.0
    return max(now - float(since or now), 0.0) or SMALLEST_SILENCE


async def request_stop(redis: Redis, message_id: MessageId) -> None:
    """Ask whichever process gives the answer to stop; raises RedisError."""
    await redis.set(stop_key(message_id), b"1", ex=STOP_SECONDS)


def silent_key(message_id: MessageId) -> str:
    """Return the key that says since when nobody gives the answer."""
    return f"chat:{message_id}:silent"


class StreamWriter:
    """Writes one answer's events for other processes. Without Redis the answer goes on; what is missing is written later."""

    def __init__(self, redis: Redis, message_id: MessageId) -> None:
        self._redis = redis
        self._message_id = message_id
        self._written = 0
        self._uncertain = False

    async def write(self, frames: Sequence[Frame]) -> None:
        """Append those of an answer's frames, given from the first on, that are not in the stream yet."""
        try:
            if self._uncertain:
                await self._find_last()
            pipeline = self._redis.pipeline(transaction=False)
            for frame in frames[self._written :]:
                fields: Any = {"t": frame.type, "d": frame.data}
                pipeline.xadd(events_key(self._message_id), fields, id=f"{frame.seq}-0", maxlen=MAX_EVENTS)
            pipeline.pexpire(events_key(self._message_id), STREAM_MS)
            await pipeline.execute()
            self._written = len(frames)
        except RedisError as error:
            self._lost(error)

    async def _find_last(self) -> None:
        """Learn how far the stream goes: a command whose answer was lost may have been carried out."""
        entries: Any = await self._redis.xrevrange(events_key(self._message_id), count=1)
        self._written = frame_of(*entries[0]).seq if entries else 0
        self._uncertain = False

    def _lost(self, error: RedisError) -> None:
        if not self._uncertain:
            log.warning("answer_without_redis", message_id=str(self._message_id), error=type(error).__name__)
        self._uncertain = True
