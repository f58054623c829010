"""Purges kept answers by what they belong to; any process with Redis may."""

import time
from typing import Final

from ops.runtime.redis import Redis, ServerScript

TAG_PREFIX: Final = "response-tag:"

# KEYS[1] the tag: a sorted set of answers' names by the time they end. Returns how many were there.
PURGE_SCRIPT: Final = """
local names = redis.call('ZRANGE', KEYS[1], 0, -1)
local gone = 0
for first = 1, #names, 1000 do
  gone = gone + redis.call('UNLINK', unpack(names, first, math.min(first + 999, #names)))
end
redis.call('DEL', KEYS[1])
return gone
"""


async def purge_answers(redis: Redis | None, *tags: str) -> int:
    """Delete every answer under `document:<id>`, `user:<id>`, `course:<id>` or `tenant:<id>`; return how many; raises `RedisError`.

    An answer that is being given now may be kept after this; its `cache_scope` is what keeps it from whoever asks later.
    """
    if redis is None:
        return 0
    script = ServerScript(redis, PURGE_SCRIPT)
    return sum([await script([f"{TAG_PREFIX}{tag}"]) for tag in tags])


def ends_at(seconds: float) -> float:
    """Return the score of an answer that is kept for `seconds`."""
    return time.time() + seconds
