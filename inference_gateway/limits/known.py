"""Which quotas count for whom. All of a tenant's are read together: there are few, and its people come and go."""

import time
from functools import partial
from uuid import UUID

import msgspec

from db.errors import DatabaseError
from db.repositories import quotas
from db.repositories.quotas import QuotaRow, QuotasBySubject
from inference_gateway.caller import Caller
from inference_gateway.limits.buckets import Bucket, buckets_of
from inference_gateway.limits.shared import Shared

KNOWN_SECONDS = 10.0

# While nobody can say what the quotas of a tenant are, each person has this one.
EMERGENCY = QuotaRow(level="person", subject_id=None, tokens=None, requests=60, period_seconds=60)


class _OfTenant:
    """The quotas of one tenant as they were read."""

    def __init__(self, tenant_id: UUID, rows: QuotasBySubject) -> None:
        self.until = time.monotonic() + KNOWN_SECONDS
        self._tenant_id = tenant_id
        self._rows = rows
        self._buckets: dict[tuple[UUID | None, UUID | None], tuple[Bucket, ...]] = {}

    def buckets(self, course_id: UUID | None, user_id: UUID | None) -> tuple[Bucket, ...]:
        """Return the limits of such a request."""
        who = (course_id, user_id)
        if (known := self._buckets.get(who)) is None:
            known = self._buckets[who] = buckets_of(self._tenant_id, quotas.quotas_for(self._rows, *who))
        return known


class KnownQuotas:
    """What the database says, for ten seconds; beyond that while it says nothing."""

    def __init__(self) -> None:
        self._known: dict[UUID, _OfTenant] = {}
        self._reading: Shared[UUID, QuotasBySubject] = Shared()

    async def buckets(self, caller: Caller) -> tuple[Bucket, ...]:
        """Return the limits that a request of the caller counts for."""
        tenant_id = caller.tenant_id
        if tenant_id is None:
            return ()
        known = self._known.get(tenant_id)
        if known is None or known.until < time.monotonic():
            try:
                rows = await self._reading.do(tenant_id, partial(quotas.quotas_by_subject, tenant_id))
            except DatabaseError:
                if known is None:
                    return buckets_of(tenant_id, [msgspec.structs.replace(EMERGENCY, subject_id=caller.user_id)])
            else:
                known = self._known[tenant_id] = _OfTenant(tenant_id, rows)
        return known.buckets(caller.course_id, caller.user_id)
