"""`GET /api/v1/audit`."""

from datetime import datetime

from litestar import Controller, get
from litestar.params import FromQuery

from backend.audit.schemas import AuditEntry, AuditFilter
from backend.audit.service import PERMISSION, search_audit
from backend.kit.http import CurrentSubject, PageCursor, PageLimit, QueryText, permission
from backend.kit.pagination import DEFAULT_LIMIT, Page


class AuditController(Controller):
    path = "/api/v1/audit"
    tags = ("audit",)

    @get(opt=permission(PERMISSION))
    async def search_audit(
        self,
        subject: CurrentSubject,
        action: QueryText = None,
        person: QueryText = None,
        request_id: QueryText = None,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[AuditEntry]:
        """Acts of the tenant, newest first; `action` is the beginning of a name, `person` an address or an id."""
        wanted = AuditFilter(action=action, person=person, request_id=request_id, since=since, until=until)
        return await search_audit(subject, wanted, cursor=cursor, limit=limit)


controllers = [AuditController]
