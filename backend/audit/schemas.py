"""What the audit log takes and gives."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which acts to show; all that is given must fit. `person` is an address or an id, `until` is not included."""

    action: str | None = None
    person: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One act. What a person wrote is sealed and not part of it."""

    id: UUID
    timestamp: datetime
    service_name: str
    user_id: UUID | None
    user_email: str | None
    action: str
    metadata: dict[str, Any]
    request_id: str
