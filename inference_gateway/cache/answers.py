"""The cache of whole answers in Redis: compressed, sealed, gone after a day, and each look-up a miss without Redis."""

import zlib

import msgspec
from prometheus_client import Counter

from inference_gateway.cache.keys import answer_key
from inference_gateway.caller import Caller
from inference_gateway.contract import ChatRequest
from inference_gateway.ports import AuthorisedAdapter, CachedAnswer
from inference_gateway.purge import TAG_PREFIX, ends_at
from ops.runtime.crypto import SealBroken, derived_key, seal, unseal
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError
from ops.runtime.telemetry import REGISTRY

log = get_logger(__name__)

PURPOSE = b"lyceum response cache"
KEPT_SECONDS = 24 * 3600
MAX_ANSWER_BYTES = 1024 * 1024
LOOK_UPS = Counter("lyceum_gateway_cache_total", "look-ups of kept answers", ["outcome"], registry=REGISTRY)

_decoder = msgspec.msgpack.Decoder(CachedAnswer)


class AnswerCache:
    """One per process; processes with the same service key share what they keep."""

    def __init__(self, redis: Redis, service_key: bytes, kept_seconds: int = KEPT_SECONDS) -> None:
        self._redis = redis
        self._key = derived_key(service_key, PURPOSE)
        self._kept_seconds = kept_seconds

    def key(
        self, request: ChatRequest, caller: Caller, model_hash: str, adapter: AuthorisedAdapter | None
    ) -> str | None:
        """Return the key made of everything that shapes the answer; None where it may not be kept."""
        return answer_key(request, caller, model_hash, adapter)

    async def get(self, key: str) -> CachedAnswer | None:
        """Return the answer, or None when there is none, Redis is away, or it was sealed by others or in another form."""
        try:
            sealed: bytes | None = await self._redis.get(key)  # type: ignore[assignment]  # bytes: see open_redis
        except RedisError:
            LOOK_UPS.labels("unavailable").inc()
            return None
        answer = self._opened(key, sealed) if sealed is not None else None
        LOOK_UPS.labels("miss" if answer is None else "hit").inc()
        return answer

    async def put(self, key: str, answer: CachedAnswer, tags: tuple[str, ...]) -> None:
        """Keep an answer for a day; without Redis, or where it is very long, nothing happens."""
        plain = msgspec.msgpack.encode(answer)
        if len(plain) > MAX_ANSWER_BYTES:
            return
        sealed = seal(self._key, zlib.compress(plain, 1), key.encode())
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.set(key, sealed, ex=self._kept_seconds)
                for tag in tags:
                    name = f"{TAG_PREFIX}{tag}"
                    pipe.zremrangebyscore(name, "-inf", ends_at(0))
                    pipe.zadd(name, {key: ends_at(self._kept_seconds)})
                    pipe.expire(name, self._kept_seconds)
                await pipe.execute()
        except RedisError as error:
            log.warning("answer_not_kept", error=type(error).__name__)

    def _opened(self, key: str, sealed: bytes) -> CachedAnswer | None:
        try:
            return _decoder.decode(zlib.decompress(unseal(self._key, sealed, key.encode())))
        except (SealBroken, zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("kept_answer_unreadable", error=type(error).__name__)
            return None
