"""What the tenant used of the gateway, for charts and tables; and its adapters."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from backend.inference.schemas import AdapterView, Hours, UsageHistory
from backend.kit.pagination import Page, decode_cursor, page_of
from backend.kit.subject import Subject
from db.repositories import adapters, inference_usage
from db.repositories.adapters import AdapterRow

READ: Final = "inference.read"
STEP_SECONDS: Final[Mapping[Hours, int]] = {24: 3600, 168: 21_600, 720: 86_400}
SHARES: Final = 20


class _After(msgspec.Struct, frozen=True):
    id: UUID


async def usage(subject: Subject, hours: Hours) -> UsageHistory:
    """Return the last hours in steps, and which models and courses used most in the same time.

    Raises:
        PermissionMissing
    """
    subject.require(READ)
    step = STEP_SECONDS[hours]
    rows = await inference_usage.usage_by_step(subject.tenant_id, hours, step)
    models = await inference_usage.usage_by("model", subject.tenant_id, rows[0].at, SHARES)
    courses = await inference_usage.usage_by("course", subject.tenant_id, rows[0].at, SHARES)
    return UsageHistory(
        hours=hours,
        step_seconds=step,
        at=[int(row.at.timestamp()) for row in rows],
        requests=[row.requests for row in rows],
        failed=[row.failed for row in rows],
        cache_hits=[row.cache_hits for row in rows],
        degraded=[row.degraded for row in rows],
        prompt_tokens=[row.prompt_tokens for row in rows],
        completion_tokens=[row.completion_tokens for row in rows],
        first_token_p50_seconds=[_rounded(row.first_token_p50_seconds) for row in rows],
        first_token_p99_seconds=[_rounded(row.first_token_p99_seconds) for row in rows],
        by_model=models,
        by_course=courses,
    )


async def list_adapters(subject: Subject, *, cursor: str | None, limit: int) -> Page[AdapterView]:
    """Return the tenant's adapters, oldest first, the revoked ones too.

    Raises:
        PermissionMissing. ValidationFailed: the cursor is not of this list.
    """
    subject.require(READ)
    after = decode_cursor(cursor, _After)
    rows = await adapters.page(subject.tenant_id, after.id if after else None, limit + 1)
    page = page_of(rows, limit, lambda row: _After(row.id))
    return Page(items=[_adapter(row) for row in page.items], next_cursor=page.next_cursor)


def _adapter(row: AdapterRow) -> AdapterView:
    shown = {name: getattr(row, name) for name in AdapterView.__struct_fields__ if name != "name"}
    return AdapterView(name=f"{row.namespace}@{row.sha256}", **shown)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
