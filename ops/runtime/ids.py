"""Identifiers: a type of its own for each, UUID version 7 (RFC 9562) so that new rows land at the end of an index."""

import os
import time
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
    """Return a fresh UUIDv7: 48 bits of Unix time in milliseconds, the rest random (RFC 9562 §5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)
