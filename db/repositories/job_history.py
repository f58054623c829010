"""The jobs that have ended: kept for a while, then gone with their attempts and events."""

from uuid import UUID

from db import query
from db.unit_of_work import UnitOfWork

_DUE = """SELECT j.id FROM jobs j WHERE j.finished_at < now() - $1 * interval '1 day'
            AND ($3::uuid IS NULL OR j.tenant_id = $3)
            AND NOT EXISTS (SELECT FROM jobs p WHERE p.id = j.parent_id AND p.finished_at IS NULL)
            AND NOT EXISTS (SELECT FROM jobs s WHERE s.after_id = j.id AND s.state = 'waiting' AND s.waits_for = 'predecessor')
          ORDER BY j.finished_at LIMIT $2 FOR UPDATE SKIP LOCKED"""


async def purge(uow: UnitOfWork, days: float, limit: int, tenant_id: UUID | None = None) -> int:
    """Delete up to `limit` jobs that ended more than `days` days ago; return how many.

    Children are kept until their parent has ended, and what another job still comes after.
    """
    del uow
    ids: list[UUID] = await query.fetch_values(_DUE, float(days), limit, tenant_id)
    for statement in (
        "DELETE FROM job_events WHERE job_id = ANY($1)",
        "DELETE FROM job_attempts WHERE job_id = ANY($1)",
        "DELETE FROM jobs WHERE id = ANY($1)",
    ):
        await query.execute(statement, ids)
    return len(ids)
