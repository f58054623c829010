"""What Redis remembers of sessions and authorities, so that a request needs no look-up in Postgres.

Postgres is the truth; an entry may only ever be missing, never wrong. The protocol:

* An entry is ``generation (16) + epoch (16 decimal digits) + value``. Without a value it is a tombstone: "ask Postgres".
  A session has epoch 0 while it stands and 1 once it is revoked; an authority has `users.authority_epoch`.
* Whoever revokes writes the tombstone of the *new* epoch before the commit and again after it. A process that dies between
  the two has left the first one.
* Whoever misses reads Postgres and then stores what it read, but no entry gives way to one of an older epoch. So a reader
  that read before the commit and stores after it is refused, however long it slept in between.
* A flushed or restarted server has forgotten the tombstones. It has forgotten the `generation` too: a reader stores under
  the generation it saw *before* it read Postgres, and is refused when that is no longer the server's.
* A server restarted from an old snapshot would bring back entries that were revoked since. Scripts are in no snapshot:
  whoever finds its script missing draws a new generation first, which makes every older entry a miss (`renew_generation`).
* Entries live 60 s at most. That bounds the one case left: the revoking process cannot reach Redis while others can.
  It goes on trying for as long as an entry can live.
"""

import asyncio
import contextlib
import contextvars
import secrets
import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError, ServerScript, insisting

log = get_logger(__name__)

GENERATION_KEY: Final = "auth:generation"
GENERATION_BYTES: Final = 16
EPOCH_DIGITS: Final = 16
HEADER_BYTES: Final = GENERATION_BYTES + EPOCH_DIGITS
ENTRY_SECONDS: Final = 60
REVOKED_SESSION_EPOCH: Final = 1
RETRY_SECONDS: Final = 0.5

READ_SCRIPT: Final = "return redis.call('MGET', unpack(KEYS))"

# KEYS[1] auth:generation   KEYS[2] the entry
# ARGV[1] the generation the writer saw, '' for a tombstone   ARGV[2] a generation to begin when there is none
# ARGV[3] epoch, 16 digits   ARGV[4] value, '' for a tombstone   ARGV[5] ms to live
# Returns 1 when stored.
STORE_SCRIPT: Final = """
local generation = redis.call('GET', KEYS[1])
if ARGV[1] ~= '' and generation ~= ARGV[1] then return 0 end
if not generation then
  generation = ARGV[2]
  redis.call('SET', KEYS[1], generation)
end
local held = redis.call('GET', KEYS[2])
if held and string.sub(held, 1, 16) == generation then
  local was, is = tonumber(string.sub(held, 17, 32)), tonumber(ARGV[3])
  if was > is or (was == is and #held > 32) then return 0 end
end
redis.call('SET', KEYS[2], generation .. ARGV[3] .. ARGV[4], 'PX', ARGV[5])
return 1
"""


class Lookup(msgspec.Struct, frozen=True):
    """What a reader saw: the generation it may store under, and the values that were good."""

    generation: bytes | None
    session: bytes | None = None
    authority: bytes | None = None


NOTHING_SEEN: Final = Lookup(None)


def session_key(session_id: UUID) -> str:
    """Return the key of a session's entry."""
    return f"auth:session:{session_id.hex}"


def authority_key(user_id: UUID) -> str:
    """Return the key of a person's entry."""
    return f"auth:authority:{user_id.hex}"


def keys(session_id: UUID, user_id: UUID) -> tuple[str, str, str]:
    """Return what a request reads in one round trip; `looked_up` understands the answers, in this order."""
    return GENERATION_KEY, session_key(session_id), authority_key(user_id)


def looked_up(answers: Sequence[bytes | None]) -> Lookup:
    """Judge the values of `keys`: tombstones and entries of another generation are misses."""
    generation, *entries = answers
    if generation is None:
        return NOTHING_SEEN
    session, authority = (
        entry[HEADER_BYTES:] if entry is not None and entry.startswith(generation) else None for entry in entries
    )
    return Lookup(generation, session or None, authority or None)


class RightsCache:
    """One per process; without Redis everything is a miss. A tombstone is sent even to a Redis that has just failed."""

    def __init__(self, redis: Redis | None) -> None:
        self._redis = redis
        self._read = ServerScript(redis, READ_SCRIPT, self.renew_generation) if redis else None
        self._write = ServerScript(redis, STORE_SCRIPT, self.renew_generation) if redis else None
        self._retries: set[asyncio.Task[None]] = set()

    async def look_up(self, session_id: UUID, user_id: UUID) -> Lookup:
        """Read what a request needs."""
        if self._read is None:
            return NOTHING_SEEN
        try:
            return looked_up(await self._read(keys(session_id, user_id)))
        except RedisError:
            return NOTHING_SEEN

    async def generation(self) -> bytes | None:
        """Return the server's generation, begun now if there is none; None without Redis."""
        if self._redis is None:
            return None
        try:
            fresh = _new_generation()
            return await self._redis.set(GENERATION_KEY, fresh, nx=True, get=True) or fresh  # type: ignore[return-value]
        except RedisError:
            return None

    async def renew_generation(self) -> None:
        """Make every entry a miss: this server may have come back from an old snapshot."""
        if self._redis is not None:
            await self._redis.set(GENERATION_KEY, _new_generation())

    async def store_session(self, generation: bytes, session_id: UUID, value: bytes, seconds: float) -> None:
        """Store a standing session as it was read from Postgres after `generation` was seen."""
        await self._try_store(generation, session_key(session_id), 0, value, min(seconds, ENTRY_SECONDS))

    async def store_authority(self, generation: bytes, user_id: UUID, epoch: int, value: bytes) -> None:
        """Store a person's authority as it was read from Postgres after `generation` was seen."""
        await self._try_store(generation, authority_key(user_id), epoch, value, ENTRY_SECONDS)

    async def bury(self, entries: Sequence[tuple[str, int]], *, insist: bool) -> None:
        """Write tombstones for (key, new epoch); with `insist` a server that does not answer is tried again in the background."""
        try:
            await self._store_tombstones(entries)
        except RedisError as error:
            log.warning("revocation_without_redis", entries=len(entries), error=type(error).__name__)
            if insist:
                task = asyncio.get_running_loop().create_task(self._bury_later(entries), context=contextvars.Context())
                self._retries.add(task)
                task.add_done_callback(self._retries.discard)

    async def _bury_later(self, entries: Sequence[tuple[str, int]]) -> None:
        deadline = time.monotonic() + ENTRY_SECONDS
        while time.monotonic() < deadline:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                await self._store_tombstones(entries)
            except RedisError:
                continue
            return

    async def _store_tombstones(self, entries: Sequence[tuple[str, int]]) -> None:
        with insisting():
            for key, epoch in entries:
                await self._store(b"", key, epoch, b"", ENTRY_SECONDS)

    async def _try_store(self, generation: bytes, key: str, epoch: int, value: bytes, seconds: float) -> None:
        with contextlib.suppress(RedisError):
            await self._store(generation, key, epoch, value, seconds)

    async def _store(self, generation: bytes, key: str, epoch: int, value: bytes, seconds: float) -> None:
        if self._write is not None:
            milliseconds = max(1, int(seconds * 1000))
            arguments = (generation, _new_generation(), b"%016d" % epoch, value, milliseconds)
            await self._write((GENERATION_KEY, key), arguments)


def _new_generation() -> bytes:
    return secrets.token_hex(GENERATION_BYTES // 2).encode()
