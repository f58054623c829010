"""Locks an e-mail address, known or not, after repeated failures.

Attempts that run at the same time are all verified, but their outcomes are settled one after another on the address's row:
once it is locked an outcome is not told any more, not even a success. So a burst of guesses learns no more than five.
"""

import hashlib
import math

from backend.identity.errors import SignInLocked
from db.repositories import sessions
from db.unit_of_work import UnitOfWork

ALLOWED_FAILURES = 5
FIRST_LOCK_SECONDS = 60
LONGEST_LOCK_SECONDS = 15 * 60


def email_hash(email_normalised: str) -> bytes:
    """Return the key of an address's count."""
    return hashlib.sha256(email_normalised.encode()).digest()


async def refuse_if_locked(digest: bytes) -> None:
    """Raise `SignInLocked` before any work is done for a locked address."""
    seconds = await sessions.locked_seconds(digest)
    if seconds > 0:
        raise SignInLocked(math.ceil(seconds))


async def settle_success(uow: UnitOfWork, digest: bytes) -> None:
    """Clear the count, unless the address was locked while the password was being verified.

    Raises:
        SignInLocked: it was; the caller's transaction is rolled back.
    """
    seconds = await sessions.hold_failures(uow, digest)
    if seconds > 0:
        raise SignInLocked(math.ceil(seconds))
    await sessions.forget_failures(uow, digest)


async def clear(uow: UnitOfWork, digest: bytes) -> None:
    """Lift a lock: the person proved themselves otherwise, or an administrator vouches for them."""
    await sessions.forget_failures(uow, digest)


async def settle_failure(uow: UnitOfWork, digest: bytes) -> tuple[float, bool]:
    """Count a failure; return the seconds the address is locked for now (0: not) and whether it was locked already."""
    seconds = await sessions.add_failure(
        uow,
        digest,
        allowed=ALLOWED_FAILURES,
        first_lock_seconds=FIRST_LOCK_SECONDS,
        longest_lock_seconds=LONGEST_LOCK_SECONDS,
    )
    if seconds is not None:
        return seconds, False
    return await sessions.locked_seconds(digest), True
