"""One act on many jobs: each in a transaction of its own with its own audit row, so that one refusal stops no other."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from backend.errors import InputError, LyceumError, ValidationFailed
from backend.jobs import acts
from backend.jobs.errors import JobNotFound, JobStateForbids
from backend.jobs.schemas import Action, BulkAct, BulkOutcome, BulkRefusal, JobFilter
from backend.jobs.service import WRITE_ALL, criteria, request_cancel, view_of
from backend.kit.subject import Subject
from db.repositories import job_search, jobs
from db.repositories.job_search import Condition, Wanted
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import JobId, new_id

JOBS_AT_ONCE: Final = 1000
SAMPLES: Final = 10
POSSIBLE: Final[dict[Action, str]] = {
    "retry": "state = 'dead' OR (state = 'waiting' AND waits_for IS NULL AND cancel_requested_at IS NULL)",
    "discard": "state = 'dead' OR (state IN ('queued', 'waiting') AND cancel_requested_at IS NULL)",
    "cancel": "state IN ('queued', 'waiting', 'running') AND cancel_requested_at IS NULL",
    "priority": "state IN ('queued', 'waiting')",
}
"""In which states an act can be done."""

Act = Callable[[UnitOfWork, JobId], Awaitable[None]]


class _Chosen(msgspec.Struct, frozen=True):
    """Jobs to act on now, how many there are in all, and those named that cannot be."""

    ids: list[JobId]
    matched: int
    refused: "_Refusals"


class _Refusals(msgspec.Struct):
    """Who was refused, by problem."""

    met: dict[tuple[str, str], list[JobId]] = msgspec.field(default_factory=dict)

    def add(self, error: LyceumError, job_id: JobId) -> None:
        self.met.setdefault((error.type, error.detail), []).append(job_id)

    def __len__(self) -> int:
        return sum(len(ids) for ids in self.met.values())

    def listed(self) -> list[BulkRefusal]:
        return [
            BulkRefusal(type=kind, detail=detail, count=len(ids), job_ids=ids[:SAMPLES])
            for (kind, detail), ids in self.met.items()
        ]


async def act_on_many(subject: Subject, act: BulkAct) -> BulkOutcome:
    """Do the same to up to 1,000 jobs, oldest first, or with `preview` tell what would be done.

    When `remaining` is not 0 the same call after `next_after` goes on, past those that were refused. What the preview counts
    as done may still be refused one by one.

    Raises:
        PermissionMissing: the subject may only look.
        ValidationFailed: it does not say which jobs, or what priority, or goes on where no filter does.
    """
    subject.require(WRITE_ALL)
    _check(act)
    chosen = await _chosen_by_ids(subject, act) if act.ids is not None else await _chosen_by_filter(subject, act)
    sample_rows = await job_search.many(subject.tenant_id, chosen.ids[:SAMPLES])
    done = len(chosen.ids)
    if not act.preview:
        done = await _do(subject, act, chosen)
    remaining = max(0, chosen.matched - done - len(chosen.refused))
    return BulkOutcome(
        action=act.action,
        preview=act.preview,
        matched=chosen.matched,
        done=done,
        refused=chosen.refused.listed(),
        remaining=remaining,
        next_after=chosen.ids[-1] if remaining and chosen.ids else None,
        samples=[view_of(row) for row in sample_rows],
    )


async def _do(subject: Subject, act: BulkAct, chosen: _Chosen) -> int:
    """Act on each; return for how many it was possible."""
    bulk_id = str(new_id())
    async with unit_of_work() as uow:
        await uow.audit(subject, "jobs.bulk_act", {"bulk_id": bulk_id, "jobs": len(chosen.ids)} | _asked(act))
    perform, done = _performer(subject, act), 0
    for job_id in chosen.ids:
        try:
            async with unit_of_work() as uow:
                await perform(uow, job_id)
            done += 1
        except LyceumError as error:
            chosen.refused.add(error, job_id)
    return done


def _performer(subject: Subject, act: BulkAct) -> Act:
    async def cancel(uow: UnitOfWork, job_id: JobId) -> None:
        row = await jobs.get(job_id, subject.tenant_id)
        if row is None:
            raise JobNotFound
        await request_cancel(uow, subject, row)

    async def prioritise(uow: UnitOfWork, job_id: JobId) -> None:
        assert act.priority is not None
        await acts.prioritise(uow, subject, job_id, act.priority)

    performers: dict[Action, Act] = {
        "retry": lambda uow, job_id: acts.retry(uow, subject, job_id),
        "discard": lambda uow, job_id: acts.discard(uow, subject, job_id),
        "cancel": cancel,
        "priority": prioritise,
    }
    return performers[act.action]


async def _chosen_by_filter(subject: Subject, act: BulkAct) -> _Chosen:
    condition = _possible(subject, act, criteria(subject, act.filter or JobFilter()))
    condition.add("priority <> {}", act.priority)
    condition.add("id > {}", act.after)
    matched = await job_search.count(condition)
    return _Chosen(await job_search.first_ids(condition, JOBS_AT_ONCE), matched, _Refusals())


async def _chosen_by_ids(subject: Subject, act: BulkAct) -> _Chosen:
    named = [JobId(job_id) for job_id in dict.fromkeys(act.ids or [])]
    known = {row.id: row.state for row in await job_search.many(subject.tenant_id, named)}
    condition = _possible(subject, act, Wanted())
    condition.add("id = ANY({})", named)
    possible = await job_search.first_ids(condition, JOBS_AT_ONCE)
    refused = _Refusals()
    for job_id in set(named).difference(possible):
        state = known.get(job_id)
        refused.add(JobNotFound() if state is None else JobStateForbids(state, "that does not allow the act."), job_id)
    return _Chosen(possible, len(named), refused)


def _possible(subject: Subject, act: BulkAct, wanted: Wanted) -> Condition:
    condition = Condition(subject.tenant_id, wanted)
    condition.add_plain(POSSIBLE[act.action])
    return condition


def _check(act: BulkAct) -> None:
    if (act.ids is None) is (act.filter is None):
        raise _wrong("/ids" if act.ids is not None else "/filter", "Give either ids or a filter.")
    if act.ids is not None and act.after is not None:
        raise _wrong("/after", "Only a filter goes on after a job.")
    if (act.priority is None) is (act.action == "priority"):
        raise _wrong("/priority", "The act priority needs one, and no other takes one.")


def _wrong(pointer: str, detail: str) -> ValidationFailed:
    return ValidationFailed(detail, errors=[InputError(pointer=pointer, detail=detail)])


def _asked(act: BulkAct) -> dict[str, Any]:
    """Return what was asked for, without the ids: each has an audit row of its own."""
    wanted: dict[str, Any] = {} if act.filter is None else msgspec.to_builtins(act.filter)
    return {
        "action": act.action,
        "by": "ids" if act.filter is None else "filter",
        "filter": {name: value for name, value in wanted.items() if value},
        "priority": act.priority,
    }
