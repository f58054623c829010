"""A process beside each worker that renews the leases of its running jobs: `python -m db.lease_keeper`.

Code that holds the worker's interpreter lock for longer than a lease stops everything in that process, but not this one.
It renews while the worker is neither stopped nor gone, and each lease only to the end of the attempt's time limit, so that
work which hangs for good is given to another worker. Orders come as lines of JSON on the standard input, whose end is
the worker's.
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

ANSWER_SECONDS = 5.0
LOOK_SECONDS = 1.0

_RENEW = """UPDATE jobs SET lease_until = now() + held.seconds * interval '1 second'
            FROM unnest($1::uuid[], $2::bigint[], $3::float8[]) AS held (id, token, seconds)
            WHERE jobs.id = held.id AND jobs.fencing_token = held.token AND jobs.state = 'running'"""


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag="begin"):
    """The first order: where the database is, and whose leases they are."""

    database_url: str
    worker_pid: int


class Hold(msgspec.Struct, frozen=True, kw_only=True, tag="hold"):
    """Keep the lease of an attempt for as long as it may take."""

    job_id: UUID
    fencing_token: int
    lease_seconds: float
    limit_seconds: float


class Release(msgspec.Struct, frozen=True, kw_only=True, tag="release"):
    """The attempt has ended."""

    job_id: UUID


Order = Begin | Hold | Release
decoder: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)


class Keeper:
    """The leases of one worker."""

    def __init__(self, begin: Begin) -> None:
        self._url = begin.database_url
        self._worker = psutil.Process(begin.worker_pid)
        self._held: dict[UUID, tuple[Hold, float]] = {}
        self._renewed_at = 0.0
        self._connection: Any = None

    def take(self, order: Order) -> None:
        """Note what begins or has ended."""
        if isinstance(order, Hold):
            self._held[order.job_id] = (order, time.monotonic() + order.limit_seconds)
        elif isinstance(order, Release):
            self._held.pop(order.job_id, None)

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
    keeper = Keeper(begin)
    renewing = asyncio.create_task(keeper.run())
    while line := await reader.readline():
        keeper.take(decoder.decode(line))
    renewing.cancel()


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the worker, whose end is this one's
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(_main())
