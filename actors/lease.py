"""Keeps the lease of a running job, and says when the work has to stop."""

import asyncio
import time
from typing import Literal

from db.errors import DatabaseError
from db.jobs import Claim
from db.repositories import jobs

LEASE_SECONDS = 15.0
RETRY_SECONDS = 1.0


async def keep_lease(claim: Claim, lease_seconds: float = LEASE_SECONDS) -> Literal["cancel", "lost"]:
    """Renew every third of the lease; return when somebody asked to cancel, or when the lease is not ours any more.

    While the database is away the work goes on until the lease ends; after that another worker may have the job.
    """
    ends_at = time.monotonic() + lease_seconds
    pause = lease_seconds / 3
    while True:
        await asyncio.sleep(pause)
        asked_at = time.monotonic()
        try:
            lease = await jobs.renew(claim, lease_seconds)
        except DatabaseError:
            if time.monotonic() >= ends_at:
                return "lost"
            pause = RETRY_SECONDS
            continue
        if lease != "held":
            return lease
        ends_at = asked_at + lease_seconds
        pause = lease_seconds / 3
