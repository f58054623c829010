"""On whose behalf a request is made: from the signed service token, never from the body."""

from uuid import UUID

import msgspec

from ops.runtime.tokens import ServiceClaims


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Tenant, person and course that a request counts for; `adapter_hash` is the adapter that the token permits."""

    tenant_id: UUID | None
    user_id: UUID | None
    course_id: UUID | None = None
    purpose: str
    adapter_hash: str = ""

    @classmethod
    def of(cls, claims: ServiceClaims) -> "Caller":
        """Return the caller that verified claims name."""
        return cls(
            tenant_id=claims.tenant_id,
            user_id=claims.user_id,
            course_id=claims.course_id,
            purpose=claims.purpose,
            adapter_hash=claims.adapter_hash,
        )
