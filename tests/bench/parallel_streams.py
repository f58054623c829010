"""Many answers that stream side by side, read as they come: how late each piece is, and what reading cost the gateway."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import aiohttp
import msgspec
import uvloop

from tests.bench.gateways import MODEL, Gateway

STREAMS = 500
TOKENS = 40
SPREAD_SECONDS = 1.0
LIMIT_SECONDS = 60.0
_WRITTEN = re.compile(rb'"content": ?"((?: \d+\.\d+)+)"')
"""One piece, or several that came together."""


class Stream(msgspec.Struct):
    """One answer: the milliseconds each piece took, and the error that broke it off."""

    delays_ms: list[float] = []
    broken_by: str = ""


class Watched(msgspec.Struct, frozen=True):
    """What was seen: whole answers, what broke others off and how often, the milliseconds each piece took, the gateway's
    processor time and memory (MB).
    """

    whole: int
    broken_by: Counter[str]
    delays_ms: list[float]
    cpu_seconds: float
    rss_mb: float


def watch(gateway: Gateway) -> Watched:
    """Ask for all answers within a second and read them to their end."""
    used = gateway.cpu_seconds
    streams = uvloop.run(_read_all(gateway.url, gateway.headers()))
    return Watched(
        whole=sum(len(stream.delays_ms) == TOKENS and not stream.broken_by for stream in streams),
        broken_by=Counter(stream.broken_by for stream in streams if stream.broken_by),
        delays_ms=[delay for stream in streams for delay in stream.delays_ms],
        cpu_seconds=gateway.cpu_seconds - used,
        rss_mb=gateway.rss_mb,
    )


async def _read_all(url: str, headers: Sequence[Mapping[str, str]]) -> list[Stream]:
    timeout = aiohttp.ClientTimeout(total=LIMIT_SECONDS)
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        return await asyncio.gather(
            *(_read(session, headers[number % len(headers)], number) for number in range(STREAMS))
        )


async def _read(session: aiohttp.ClientSession, headers: Mapping[str, str], number: int) -> Stream:
    await asyncio.sleep(SPREAD_SECONDS * number / STREAMS)
    messages = [{"role": "user", "content": f"Slowly, for learner {number}."}]
    body = {"model": MODEL, "messages": messages, "max_tokens": TOKENS, "temperature": 0.7, "stream": True}
    stream = Stream()
    try:
        async with session.post("/v1/chat/completions", json=body, headers=headers) as response:
            async for line in response.content:
                if (written := _WRITTEN.search(line)) is not None:
                    stream.delays_ms += [(time.monotonic() - float(moment)) * 1000 for moment in written[1].split()]
    except (aiohttp.ClientError, TimeoutError) as error:
        stream.broken_by = type(error).__name__
    return stream
