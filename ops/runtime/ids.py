"""Identifiers: a type of its own for each, UUID version 7 (RFC 9562) so that new rows land at the end of an index."""

import os
import threading
import time
from datetime import datetime
from typing import NewType
from uuid import UUID

TenantId = NewType("TenantId", UUID)
UserId = NewType("UserId", UUID)
SessionId = NewType("SessionId", UUID)
RoleId = NewType("RoleId", UUID)
GrantId = NewType("GrantId", UUID)
FacultyId = NewType("FacultyId", UUID)
SemesterId = NewType("SemesterId", UUID)
CourseId = NewType("CourseId", UUID)
EnrolmentId = NewType("EnrolmentId", UUID)
DocumentId = NewType("DocumentId", UUID)
PassageId = NewType("PassageId", UUID)
JobId = NewType("JobId", UUID)
ChatSessionId = NewType("ChatSessionId", UUID)
MessageId = NewType("MessageId", UUID)


def new_id() -> UUID:
    """Return a fresh UUIDv7, greater than every one made in this process before.

    48 bits of Unix time in milliseconds, 12 bits of its fraction, 62 random bits (RFC 9562 §5.7 and §6.2, method 3).
    """
    ticks = _next_ticks()
    value = (
        (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0x2 << 62 | int.from_bytes(os.urandom(8), "big") >> 2
    )
    return UUID(int=value)


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest id that can be made at that time: whatever is smaller was made before."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62)


_lock = threading.Lock()
_last_ticks = 0


def _next_ticks() -> int:
    """Return the time in 1/4096 ms, one more than the last time asked if the clock has not moved on."""
    global _last_ticks  # noqa: PLW0603 - the last one given has to outlive the call
    with _lock:
        milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
        _last_ticks = max(milliseconds << 12 | (nanoseconds << 12) // 1_000_000, _last_ticks + 1)
        return _last_ticks
