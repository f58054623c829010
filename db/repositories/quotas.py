"""What tenants, courses and people may use of the gateway, what of it the records say is used, and what a tenant allows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import new_id

Level = Literal["tenant", "course", "person"]


class QuotaRow(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket's size and how long it takes to refill. Without `subject_id` it is each course's, or each person's."""

    level: Level
    subject_id: UUID | None
    tokens: int | None
    requests: int | None
    period_seconds: int


QuotasBySubject = Mapping[tuple[Level, UUID | None], QuotaRow]
"""The quotas of one tenant by level and subject; each level's default has no subject."""


class SetQuotaRow(QuotaRow, frozen=True, kw_only=True):
    """A quota that is set, with the name of whose it is (null where it is everybody's, or the name is gone)."""

    id: UUID
    name: str | None
    updated_at: datetime


class PolicyRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant allows; one without a row has weight 1 and allows nothing. `consented_at`: texts may be kept since."""

    tenant_id: UUID
    weight: float = 1.0
    consented_at: datetime | None = None
    text_may_leave: bool = False


class BacklogRow(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a bucket is used up, by the records."""

    tokens: float
    requests: float


_SET: Final = """SELECT q.id, q.level, q.subject_id, q.tokens, q.requests, q.period_seconds, q.updated_at,
           coalesce(c.title, u.display_name) AS name
    FROM quotas q
    LEFT JOIN courses c ON q.level = 'course' AND c.id = q.subject_id AND c.tenant_id = q.tenant_id
    LEFT JOIN users u ON q.level = 'person' AND u.id = q.subject_id AND u.tenant_id = q.tenant_id"""


async def quotas_by_subject(tenant_id: UUID) -> QuotasBySubject:
    """Return all quotas of a tenant."""
    rows = await query.fetch(
        QuotaRow,
        "SELECT level, subject_id, tokens, requests, period_seconds FROM quotas WHERE tenant_id = $1",
        tenant_id,
    )
    return {(row.level, row.subject_id): row for row in rows}


def quotas_for(rows: QuotasBySubject, course_id: UUID | None, user_id: UUID | None) -> list[QuotaRow]:
    """Return the quotas a request counts for, one at each level at most: its own before the default."""
    subjects: tuple[tuple[Level, UUID | None], ...] = (("course", course_id), ("person", user_id))
    found = [rows[("tenant", None)]] if ("tenant", None) in rows else []
    for level, subject_id in subjects:
        row = (rows.get((level, subject_id)) or rows.get((level, None))) if subject_id is not None else None
        if row is not None:
            found.append(msgspec.structs.replace(row, subject_id=subject_id))
    return found


async def quotas_of(tenant_id: UUID) -> list[SetQuotaRow]:
    """Return all quotas of a tenant as they were set: its own, then at each level the default before those of single ones."""
    return await query.fetch(
        SetQuotaRow, f"{_SET} WHERE q.tenant_id = $1 ORDER BY q.level DESC, q.subject_id NULLS FIRST", tenant_id
    )


async def find_quota_of(tenant_id: UUID, level: Level, subject_id: UUID | None) -> SetQuotaRow | None:
    """Return the quota that is set for exactly this level and subject."""
    return await query.fetch_one(
        SetQuotaRow,
        f"{_SET} WHERE q.tenant_id = $1 AND q.level = $2 AND q.subject_id IS NOT DISTINCT FROM $3",
        tenant_id,
        level,
        subject_id,
    )


async def put_quota(uow: UnitOfWork, tenant_id: UUID, quota: QuotaRow, updated_by: UUID | None) -> None:
    """Set a quota, in place of the one of the same level and subject; raises `CheckViolation`."""
    del uow
    await query.execute(
        """INSERT INTO quotas (id, tenant_id, level, subject_id, tokens, requests, period_seconds, updated_by, updated_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())
           ON CONFLICT (tenant_id, level, subject_id) DO UPDATE
           SET tokens = $5, requests = $6, period_seconds = $7, updated_by = $8, updated_at = now()""",
        new_id(),
        tenant_id,
        *msgspec.structs.astuple(quota),
        updated_by,
    )


async def delete_quota(uow: UnitOfWork, tenant_id: UUID, quota_id: UUID) -> QuotaRow | None:
    """Delete a quota of the tenant and return it; None when there was none."""
    del uow
    return await query.fetch_one(
        QuotaRow,
        """DELETE FROM quotas WHERE tenant_id = $1 AND id = $2
           RETURNING level, subject_id, tokens, requests, period_seconds""",
        tenant_id,
        quota_id,
    )


async def backlog(tenant_id: UUID, quota: QuotaRow, *, unknown_is_full: bool) -> BacklogRow:
    """Return how full the records say a bucket is that leaks its size in a period (D. Lindley, 1952).

    Two periods are read. With `unknown_is_full` the bucket counts as full before them: too little is never said, too much only
    of those who used more than half of what leaks. Without, it counts as empty: never too much.
    """
    whose = {"tenant": "$5::uuid IS NULL", "course": "course_id = $5", "person": "user_id = $5"}[quota.level]
    row = await query.fetch_one(
        BacklogRow,
        f"""WITH used AS (
                SELECT finished_at, prompt_tokens + completion_tokens AS tokens FROM inference_logs
                WHERE tenant_id = $1 AND {whose} AND NOT cache_hit AND queue_seconds IS NOT NULL
                  AND finished_at > now() - 2 * $2 * interval '1 second'),
            tail AS (
                SELECT extract(epoch FROM now() - finished_at)::float8 / $2 AS periods,
                       sum(tokens) OVER later AS tokens, count(*) OVER later AS requests
                FROM used WINDOW later AS (ORDER BY finished_at DESC))
            SELECT greatest(0, max(tokens - $3 * periods), CASE WHEN $6 THEN max(tokens) - $3 END)::float8 AS tokens,
                   greatest(0, max(requests - $4 * periods), CASE WHEN $6 THEN max(requests) - $4 END)::float8 AS requests
            FROM tail""",
        tenant_id,
        float(quota.period_seconds),
        float(quota.tokens or 0),
        float(quota.requests or 0),
        quota.subject_id,
        unknown_is_full,
    )
    assert row is not None
    return row


async def policies() -> Sequence[PolicyRow]:
    """Return what the tenants allow that have said so."""
    return await query.fetch(
        PolicyRow, "SELECT tenant_id, weight, consented_at, text_may_leave FROM inference_policies"
    )


async def policy_of(tenant_id: UUID) -> PolicyRow:
    """Return what the tenant allows; one that has said nothing allows nothing."""
    found = await query.fetch_one(
        PolicyRow,
        "SELECT tenant_id, weight, consented_at, text_may_leave FROM inference_policies WHERE tenant_id = $1",
        tenant_id,
    )
    return found or PolicyRow(tenant_id=tenant_id)


async def put_policy(uow: UnitOfWork, policy: PolicyRow, updated_by: UUID | None) -> None:
    """Set what a tenant allows; a consent that stands keeps its date."""
    del uow
    await query.execute(
        """INSERT INTO inference_policies (id, tenant_id, weight, consented_at, text_may_leave, updated_by, updated_at)
           VALUES ($1, $2, $3, $4, $5, $6, now())
           ON CONFLICT (tenant_id) DO UPDATE
           SET weight = $3, text_may_leave = $5, updated_by = $6, updated_at = now(),
               consented_at = CASE WHEN $4::timestamptz IS NULL THEN NULL
                                   ELSE coalesce(inference_policies.consented_at, $4) END""",
        new_id(),
        *msgspec.structs.astuple(policy),
        updated_by,
    )
