"""Parents that wait for their children, and chains.

Whoever ends a job looks after its commit for those that waited for it; the clock looks for all, should that one have died.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from db import query
from db.jobs import Claim, EndedJob, JobError, JobState
from db.repositories.claims import CAN_START_NOW, LOSSES_IN_COMPANY
from db.repositories.job_upkeep import STUCK, PushRow, StuckJob
from db.repositories.jobs import add_event, bury
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import JobId

CHILD_FAILED = JobError(type="child-failed", detail="A job that it consists of has failed.")
PREDECESSOR_FAILED = JobError(type="predecessor-failed", detail="The job before it has failed.")

_CHILD_LIVES = "EXISTS (SELECT FROM jobs c WHERE c.parent_id = j.id AND c.state IN ('queued', 'waiting', 'running'))"
_CHILD_FAILED = "EXISTS (SELECT FROM jobs c WHERE c.parent_id = j.id AND c.state IN ('dead', 'cancelled'))"
_COULD_START = f"""j.state IN ('queued', 'waiting') AND j.pushed_at IS NULL AND j.cancel_requested_at IS NULL
    AND {CAN_START_NOW.format(job="j")}"""
_AWAITS_CHILDREN = "j.state = 'waiting' AND j.waits_for = 'children'"
_AWAITS_PREDECESSOR = "j.state = 'waiting' AND j.waits_for = 'predecessor'"


class ChildRow(msgspec.Struct, frozen=True, kw_only=True):
    """A child as its parent sees it; `error` is JSON text of `JobError`."""

    id: JobId
    kind: str
    state: JobState
    subject_id: UUID | None
    error: str | None


async def children(job_id: UUID) -> list[ChildRow]:
    """Return the job's children in the order in which they were made; none before it has fanned out."""
    return await query.fetch(
        ChildRow, "SELECT id, kind, state, subject_id, error FROM jobs WHERE parent_id = $1 ORDER BY id", job_id
    )


async def awaited(ended: Sequence[Claim]) -> set[UUID]:
    """Return which of these ended jobs somebody may wait for: a parent, a successor, another suspect, others in their places."""
    found = await query.fetch_values(
        """SELECT e.job_id FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) AS e (job_id, kind, tenant_id, key)
           WHERE EXISTS (SELECT FROM jobs s WHERE s.after_id = e.job_id AND s.state = 'waiting' AND s.waits_for = 'predecessor')
              OR EXISTS (SELECT FROM jobs j WHERE j.kind = e.kind AND j.tenant_id = e.tenant_id AND {rest})
              OR EXISTS (SELECT FROM jobs j WHERE j.kind = e.kind AND j.concurrency_key = e.key AND {rest})""".replace(
            "{rest}", _COULD_START
        ),
        [claim.job_id for claim in ended],
        [claim.kind for claim in ended],
        [claim.tenant_id for claim in ended],
        [claim.concurrency_key for claim in ended],
    )
    return {*found, *(claim.job_id for claim in ended if claim.parent_id is not None or claim.is_suspect)}


async def after(ended: Claim) -> tuple[list[PushRow], list[PushRow]]:
    """Return those that are free now that the job has ended, and those that may take its place; to be pushed.

    A parent is freed by its last child, a successor by the success of the job before it. Failures are the clock's.
    """
    freed = [] if ended.parent_id is None else await _free_parents("j.id = $1", ended.parent_id)
    freed += await _free_successors("j.after_id = $1", ended.job_id)
    next_jobs = await next_in_place(ended)
    if ended.is_suspect:
        next_jobs += await next_suspect(ended)
    return freed, next_jobs


async def release_all() -> None:
    """Free every parent and successor that has nothing to wait for any more."""
    await _free_parents("$1::uuid IS NULL", None)
    await _free_successors("$1::uuid IS NULL", None)


async def _free_parents(which: str, about: UUID | None) -> list[PushRow]:
    may_go_on = f"NOT {_CHILD_LIVES} AND (j.on_child_failure = 'continue' OR NOT {_CHILD_FAILED})"
    return await _free(f"{_AWAITS_CHILDREN} AND {which} AND {may_go_on}", about)


async def _free_successors(which: str, about: UUID | None) -> list[PushRow]:
    succeeded = "EXISTS (SELECT FROM jobs p WHERE p.id = j.after_id AND p.state = 'succeeded')"
    return await _free(f"{_AWAITS_PREDECESSOR} AND {which} AND {succeeded}", about)


async def _free(condition: str, about: UUID | None) -> list[PushRow]:
    async with unit_of_work() as uow:
        freed = await query.fetch(
            PushRow,
            f"""UPDATE jobs SET waits_for = NULL, state = 'queued', pushed_at = NULL WHERE id IN (
                    SELECT j.id FROM jobs j WHERE {condition} ORDER BY j.id FOR UPDATE SKIP LOCKED)
                RETURNING id, kind, queue, fencing_token, retry_at""",
            about,
        )
        for job in freed:
            await add_event(uow, job.id, "queued", {})
    return freed


async def bereft(limit: int = 100) -> list[StuckJob]:
    """Return parents that must not outlive a failed child, and jobs whose predecessor has not succeeded."""
    return await query.fetch(
        StuckJob,
        f"""SELECT {STUCK} FROM jobs j WHERE
                ({_AWAITS_CHILDREN} AND j.on_child_failure = 'fail' AND {_CHILD_FAILED})
                OR ({_AWAITS_PREDECESSOR} AND NOT EXISTS (SELECT FROM jobs p WHERE p.id = j.after_id
                    AND p.state IN ('queued', 'waiting', 'running', 'succeeded')))
            ORDER BY j.id LIMIT $1""",
        limit,
    )


async def end_bereft(uow: UnitOfWork, job: StuckJob) -> EndedJob | None:
    """Mark such a job dead and return its end; None when it moved on meanwhile."""
    waited_for = await query.fetch_value(
        "SELECT waits_for FROM jobs WHERE id = $1 AND state = 'waiting' FOR UPDATE SKIP LOCKED", job.id
    )
    if waited_for not in ("children", "predecessor"):
        return None
    error = CHILD_FAILED if waited_for == "children" else PREDECESSOR_FAILED
    await bury(uow, job.id, error)
    return job.ended(error)


async def cancel_orphans() -> int:
    """Ask for the end of jobs whose parent has ended without success; return how many there were."""
    return await query.execute(
        """UPDATE jobs c SET cancel_requested_at = now() FROM jobs p
           WHERE c.parent_id = p.id AND c.state IN ('queued', 'waiting', 'running') AND c.cancel_requested_at IS NULL
             AND p.state IN ('dead', 'cancelled')"""
    )


async def next_in_place(ended: Claim) -> list[PushRow]:
    """Mark as pushed the job that may take the place which the ended one has left, and return it: one, or none."""
    return await query.fetch(
        PushRow,
        f"""UPDATE jobs SET pushed_at = now() WHERE id = (
                SELECT j.id FROM jobs j
                WHERE {_in_its_place(ended)}
                  AND NOT EXISTS (SELECT FROM queue_pauses p WHERE p.tenant_id = j.tenant_id AND p.queue = j.queue)
                  AND (j.concurrency_key IS NULL OR j.concurrency_per_key > (
                      SELECT count(*) FROM jobs r WHERE r.kind = $1 AND r.concurrency_key = j.concurrency_key
                        AND r.state = 'running'))
                ORDER BY j.priority, j.id LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, kind, queue, fencing_token, retry_at""",
        ended.kind,
        ended.tenant_id,
        ended.concurrency_key,
    )


async def next_suspect(ended: Claim) -> list[PushRow]:
    """Mark as pushed the suspect whose turn alone has come now that this one's is over, and return it: one, or none."""
    return await query.fetch(
        PushRow,
        f"""UPDATE jobs SET pushed_at = now() WHERE id = (
                SELECT j.id FROM jobs j
                WHERE j.queue = (SELECT queue FROM jobs WHERE id = $1) AND j.losses >= {LOSSES_IN_COMPANY} AND {_COULD_START}
                  AND NOT EXISTS (SELECT FROM queue_pauses p WHERE p.tenant_id = j.tenant_id AND p.queue = j.queue)
                ORDER BY j.priority, j.id LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, kind, queue, fencing_token, retry_at""",
        ended.job_id,
    )


def _in_its_place(ended: Claim) -> str:
    place = "j.tenant_id = $2" if ended.concurrency_key is None else "(j.tenant_id = $2 OR j.concurrency_key = $3)"
    return f"j.kind = $1 AND {place} AND $3::text IS NOT DISTINCT FROM $3 AND {_COULD_START}"
