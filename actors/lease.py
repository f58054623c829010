"""Keeps the leases of a worker's jobs, all in one statement, and says when a job's work has to stop."""

import asyncio
import contextvars
import time
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from db.errors import DatabaseError
from db.jobs import Claim, Lease
from db.repositories import jobs

LEASE_SECONDS = 15.0
RETRY_SECONDS = 1.0

Stop = Literal["cancelled", "lost", "handed-back"]


@dataclass
class _Held:
    claim: Claim
    ends_at: float
    stop: "asyncio.Future[Stop]"


class Leases:
    """Renews every third of the lease, for as long as there are any.

    While the database is away the work goes on until the lease ends; after that another worker may have the job.
    """

    def __init__(self, lease_seconds: float = LEASE_SECONDS) -> None:
        self._lease_seconds = lease_seconds
        self._held: dict[UUID, _Held] = {}
        self._renewing: asyncio.Task[None] | None = None

    def hold(self, claim: Claim) -> None:
        """Renew the lease of what has just been claimed from now on; an older attempt of the same job has lost its own."""
        if (older := self._held.get(claim.job_id)) is not None:
            _tell(older, "lost")
        stop: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self._held[claim.job_id] = _Held(claim, time.monotonic() + self._lease_seconds, stop)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew_all(), context=contextvars.Context())

    def stop_of(self, claim: Claim) -> "asyncio.Future[Stop]":
        """Return what is set when somebody asked to cancel, when the lease is not ours any more, or by `stop_all`."""
        return self._held[claim.job_id].stop

    def release(self, claim: Claim) -> None:
        """Renew the lease no more."""
        held = self._held.get(claim.job_id)
        if held is not None and held.claim is claim:
            del self._held[claim.job_id]

    def stop_all(self) -> None:
        """Have all that is held handed back."""
        for held in self._held.values():
            _tell(held, "handed-back")

    async def _renew_all(self) -> None:
        pause = self._lease_seconds / 3
        while True:
            await asyncio.sleep(pause)
            if not self._held:
                return
            pause = self._lease_seconds / 3 if await self._renew(list(self._held.values())) else RETRY_SECONDS

    async def _renew(self, asked: list[_Held]) -> bool:
        asked_at = time.monotonic()
        leases: dict[UUID, Lease] | None
        try:
            leases = await jobs.renew_all([held.claim for held in asked], self._lease_seconds)
        except DatabaseError:
            leases = None
        for held in asked:
            lease: Lease = "held"
            if leases is not None:
                lease = leases.get(held.claim.job_id, "lost")
            elif time.monotonic() >= held.ends_at:
                lease = "lost"
            if lease != "held":
                _tell(held, "cancelled" if lease == "cancel" else "lost")
            elif leases is not None:
                held.ends_at = asked_at + self._lease_seconds
        return leases is not None


def _tell(held: _Held, stop: Stop) -> None:
    if not held.stop.done():
        held.stop.set_result(stop)
