"""A process beside each worker that renews the leases of its running jobs: `python -m db.lease_keeper`.

Code that holds the worker's interpreter lock for longer than a lease stops everything in that process, but not this one.
It renews while the worker is neither stopped nor gone, and each lease only to the end of the attempt's time limit, so that
work which hangs for good is given to another worker. It ends a worker that has fallen silent although nothing it does may
take so long: whoever started it starts it again. Orders come as lines of JSON on the standard input, whose end is the
worker's.
"""

import asyncio
import signal
import sys
import time
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import psutil

from ops.runtime.logging import configure_logging, get_logger

log = get_logger(__name__)

ANSWER_SECONDS = 5.0
LOOK_SECONDS = 1.0

_RENEW = """UPDATE jobs SET lease_until = now() + held.seconds * interval '1 second'
            FROM unnest($1::uuid[], $2::bigint[], $3::float8[]) AS held (id, token, seconds)
            WHERE jobs.id = held.id AND jobs.fencing_token = held.token AND jobs.state = 'running'"""


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag="begin"):
    """The first order: where the database is, whose leases they are, and how long that worker may be silent."""

    database_url: str
    worker_pid: int
    silence_seconds: float


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Keep the lease of an attempt for as long as it may take."""

    job_id: UUID
    fencing_token: int
    lease_seconds: float
    limit_seconds: float


class Change(msgspec.Struct, frozen=True, kw_only=True, tag="change"):
    """Attempts have ended, then others have been claimed."""

    released: list[UUID]
    held: list[Hold]


class Beat(msgspec.Struct, frozen=True, kw_only=True, tag="beat"):
    """The worker's event loop turns."""


Order = Begin | Change | Beat
decoder: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)


class Keeper:
    """The leases of one worker."""

    def __init__(self, begin: Begin) -> None:
        self._url = begin.database_url
        self._worker = psutil.Process(begin.worker_pid)
        self._held: dict[UUID, tuple[Hold, float]] = {}
        self._silence_seconds = begin.silence_seconds
        self._heard_at = time.monotonic()
        self._renewed_at = 0.0
        self._connection: Any = None

    def take(self, order: Order) -> None:
        """Note what begins or has ended; any order is a sign of life."""
        self._heard_at = time.monotonic()
        if not isinstance(order, Change):
            return
        for job_id in order.released:
            self._held.pop(job_id, None)
        for hold in order.held:
            self._held[hold.job_id] = (hold, self._heard_at + hold.limit_seconds)

    async def run(self) -> None:
        """Renew each third of the shortest lease; a database that is away is asked again a moment later."""
        while True:
            shortest = min((hold.lease_seconds for hold, _ in self._held.values()), default=LOOK_SECONDS * 3)
            await asyncio.sleep(min(LOOK_SECONDS, shortest / 3))
            if time.monotonic() - self._renewed_at < shortest / 3 or not self._is_working():
                continue
            try:
                await self._renew()
                self._renewed_at = time.monotonic()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                self._drop_connection()

    async def watch(self) -> None:
        """Kill the worker when it is stuck."""
        while True:
            looked_at = time.monotonic()
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            if not self._is_working() or now - looked_at > 2 * LOOK_SECONDS:
                self._heard_at = now  # the worker was stopped, or this process was: its silence says nothing
            elif self._is_stuck(now):
                log.error("worker_stuck", silent_seconds=round(now - self._heard_at))
                self._worker.kill()
                return

    def _is_stuck(self, now: float) -> bool:
        """Tell whether it is silent beyond the limits of its work; a loop that turned would have ended that work itself."""
        if now - self._heard_at < self._silence_seconds:
            return False
        ends = [until for _, until in self._held.values()]
        return not ends or now - min(ends) >= self._silence_seconds

    def _is_working(self) -> bool:
        try:
            return self._worker.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    async def _renew(self) -> None:
        now = time.monotonic()
        held = [hold for hold, until in self._held.values() if now < until]
        if not held:
            return
        if self._connection is None:
            self._connection = await asyncpg.connect(
                self._url, timeout=ANSWER_SECONDS, command_timeout=ANSWER_SECONDS, statement_cache_size=0
            )
        await self._connection.execute(
            _RENEW,
            [hold.job_id for hold in held],
            [hold.fencing_token for hold in held],
            [hold.lease_seconds for hold in held],
        )

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None


async def _main() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    begin = decoder.decode(await reader.readline())
    if not isinstance(begin, Begin):
        raise TypeError("the first order has to be `begin`")
    try:
        keeper = Keeper(begin)
    except psutil.NoSuchProcess:  # killed in its first moment
        return
    tasks = [asyncio.create_task(keeper.run()), asyncio.create_task(keeper.watch())]
    while line := await reader.readline():
        keeper.take(decoder.decode(line))
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the worker, whose end is this one's
        signal.signal(number, signal.SIG_IGN)
    configure_logging("lease_keeper", "info")
    asyncio.run(_main())
