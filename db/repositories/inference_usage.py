"""What was used of the gateway, for charts. A tenant's, or with None the whole installation's."""

from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

import msgspec

from db import query

Dimension = Literal["model", "upstream", "purpose", "tenant", "course", "person"]

_COLUMN: Final[dict[Dimension, str]] = {
    "model": "model",
    "upstream": "upstream",
    "purpose": "purpose",
    "tenant": "tenant_id::text",
    "course": "course_id::text",
    "person": "user_id::text",
}
_NAME: Final[dict[Dimension, str]] = {
    "tenant": "SELECT name FROM tenants WHERE id::text = used.key",
    "course": "SELECT title FROM courses WHERE id::text = used.key",
    "person": "SELECT display_name FROM users WHERE id::text = used.key",
}
_SUMS: Final = """
    count(*)::int AS requests,
    (count(*) FILTER (WHERE error_code <> ''))::int AS failed,
    (count(*) FILTER (WHERE degraded))::int AS degraded,
    (count(*) FILTER (WHERE cache_hit))::int AS cache_hits,
    coalesce(sum(prompt_tokens) FILTER (WHERE NOT cache_hit), 0)::bigint AS prompt_tokens,
    coalesce(sum(completion_tokens) FILTER (WHERE NOT cache_hit), 0)::bigint AS completion_tokens,
    coalesce(sum(cost) FILTER (WHERE NOT cache_hit), 0) AS cost,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY first_token_seconds) AS first_token_p50_seconds,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY first_token_seconds) AS first_token_p99_seconds,
    (sum(completion_tokens) FILTER (WHERE total_seconds > coalesce(first_token_seconds, 0) AND NOT cache_hit)
     / nullif(sum(total_seconds - coalesce(first_token_seconds, 0)) FILTER (WHERE NOT cache_hit), 0)
    )::float8 AS tokens_per_second"""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Requests and tokens; a cache hit is a request but costs no tokens. Seconds and rates are null without requests."""

    requests: int
    failed: int
    degraded: int
    cache_hits: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    first_token_p50_seconds: float | None
    first_token_p99_seconds: float | None
    tokens_per_second: float | None


class StepRow(Usage, frozen=True, kw_only=True):
    """What was used in the step that begins at `at`."""

    at: datetime


class UsageShareRow(Usage, frozen=True, kw_only=True):
    """What one model, tenant, course or person used. `key` is a name or an id, null for requests without one."""

    key: str | None
    name: str | None


async def usage_by_step(tenant_id: UUID | None, hours: int, step_seconds: int) -> list[StepRow]:
    """Return the last `hours` in steps that begin on whole multiples of their length (UTC), the oldest first; the last one runs."""
    return await query.fetch(
        StepRow,
        f"""WITH span AS (SELECT make_interval(secs => $3) AS step, '2000-01-01T00:00:00Z'::timestamptz AS origin),
                 grid AS (SELECT generate_series(
                              date_bin(step, now() - make_interval(hours => $2) + step, origin), now(), step) AS at FROM span),
                 used AS (SELECT date_bin((SELECT step FROM span), finished_at, (SELECT origin FROM span)) AS at, {_SUMS}
                          FROM inference_logs WHERE ($1::uuid IS NULL OR tenant_id = $1)
                            AND finished_at >= (SELECT min(at) FROM grid) GROUP BY 1)
            SELECT grid.at, coalesce(requests, 0) AS requests, coalesce(failed, 0) AS failed,
                   coalesce(degraded, 0) AS degraded, coalesce(cache_hits, 0) AS cache_hits,
                   coalesce(prompt_tokens, 0) AS prompt_tokens, coalesce(completion_tokens, 0) AS completion_tokens,
                   coalesce(cost, 0) AS cost, first_token_p50_seconds, first_token_p99_seconds, tokens_per_second
            FROM grid LEFT JOIN used USING (at) ORDER BY grid.at""",
        tenant_id,
        hours,
        float(step_seconds),
    )


async def usage_by(
    dimension: Dimension, tenant_id: UUID | None, since: datetime, limit: int = 20
) -> list[UsageShareRow]:
    """Return who or what used most tokens since a moment, the most first."""
    return await query.fetch(
        UsageShareRow,
        f"""SELECT *, ({_NAME.get(dimension, "SELECT used.key")}) AS name FROM (
                SELECT {_COLUMN[dimension]} AS key, {_SUMS} FROM inference_logs
                WHERE ($1::uuid IS NULL OR tenant_id = $1) AND finished_at >= $2 GROUP BY 1
            ) AS used ORDER BY prompt_tokens + completion_tokens DESC, requests DESC, key LIMIT $3""",
        tenant_id,
        since,
        limit,
    )
