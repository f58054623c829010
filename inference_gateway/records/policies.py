"""What tenants allow, as this process knows it: read anew every half minute, so that nothing asks the database per request."""

from collections.abc import Mapping
from uuid import UUID

from db.repositories import quotas
from db.repositories.quotas import PolicyRow

NOTHING = PolicyRow(tenant_id=UUID(int=0))
REFRESH_SECONDS = 30.0


class TenantPolicies:
    """Before the first look, and of a tenant that has said nothing, nothing is allowed."""

    def __init__(self) -> None:
        self._known: Mapping[UUID, PolicyRow] = {}

    async def refresh(self) -> None:
        """Read them; raises `DatabaseError`, and what was known stands."""
        self._known = {row.tenant_id: row for row in await quotas.policies()}

    def weight(self, tenant_id: UUID | None) -> float:
        """Return a tenant's share where several wait."""
        return self._of(tenant_id).weight

    def keeps_text(self, tenant_id: UUID | None) -> bool:
        """Tell whether prompts and answers may be kept, sealed."""
        return self._of(tenant_id).consented_at is not None

    def text_may_leave(self, tenant_id: UUID | None) -> bool:
        """Tell whether text may be sent outside the installation."""
        return self._of(tenant_id).text_may_leave

    def _of(self, tenant_id: UUID | None) -> PolicyRow:
        return self._known.get(tenant_id, NOTHING) if tenant_id is not None else NOTHING
