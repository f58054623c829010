"""How fast running jobs go, from the events of their present stage."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from db import query


class StagePace(msgspec.Struct, frozen=True, kw_only=True):
    """The first and the last report of a job's present stage in its present attempt."""

    job_id: UUID
    first_at: datetime
    first_done: int
    last_at: datetime
    last_done: int
    total: int


async def paces(job_ids: Sequence[UUID]) -> dict[UUID, StagePace]:
    """Return the pace of each of the jobs that runs and has told of its stage; the others are missing."""
    if not job_ids:
        return {}
    rows = await query.fetch(
        StagePace,
        """SELECT j.id AS job_id, first.created_at AS first_at, (first.data ->> 'done')::int AS first_done,
                  last.created_at AS last_at, j.items_done AS last_done, j.items_total AS total
           FROM jobs j,
           LATERAL (SELECT coalesce(max(seq), 0) AS seq FROM job_events WHERE job_id = j.id AND type = 'started') AS start,
           LATERAL (SELECT created_at, data FROM job_events WHERE job_id = j.id AND seq > start.seq AND type = 'progress'
                      AND data ->> 'stage' = j.stage ORDER BY seq LIMIT 1) AS first,
           LATERAL (SELECT created_at FROM job_events WHERE job_id = j.id AND seq > start.seq AND type = 'progress'
                    ORDER BY seq DESC LIMIT 1) AS last
           WHERE j.id = ANY($1) AND j.state = 'running' AND j.items_total > 0""",
        list(job_ids),
    )
    return {row.job_id: row for row in rows}
