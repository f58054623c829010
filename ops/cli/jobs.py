"""`lyceum jobs`, `lyceum queues` and `lyceum workers`: what the operations page does, in a terminal."""

import functools
from collections.abc import Sequence
from typing import Any, Final, get_args
from uuid import UUID

import click
import msgspec

from backend.jobs import operations, queues, service, workers
from backend.jobs.schemas import Action, BulkAct, BulkOutcome, JobFilter, JobTimeline, JobView, WorkerView
from backend.kit.subject import Subject
from db.jobs import QUEUES, JobState
from db.repositories.queues import QueueRow
from ops.cli.errors import CommandFailed
from ops.cli.operating import Command, Who, acting, cell, run_as, show_json, show_table

MEBIBYTE: Final = 1024 * 1024
PAGE: Final = 100
QUEUE_COLUMNS: Final = ("queue", "queued", "waiting", "running", "oldest", "paused since")


def filtering(command: Command) -> Command:
    """Add the options that say which jobs."""
    moment = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
    options = (
        click.option("--state", type=click.Choice(get_args(JobState))),
        click.option("--kind", help="For example documents.ingest."),
        click.option("--queue", type=click.Choice(QUEUES)),
        click.option("--error-type", help="What the last attempt failed with, for example time-limit."),
        click.option("--request-id", help="The id of the request that asked for it."),
        click.option("--user", "user_id", type=click.UUID, help="Whose job it is."),
        click.option("--about", "subject_id", type=click.UUID, help="What it is about, for example a document."),
        click.option("--since", "created_from", type=moment, help="Made at that time (UTC) or later."),
        click.option("--until", "created_until", type=moment, help="Made before that time (UTC)."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _filter(wanted: dict[str, Any]) -> JobFilter:
    """Check the options as the API checks a query."""
    try:
        return msgspec.convert(wanted, JobFilter)
    except msgspec.ValidationError as error:
        raise CommandFailed(str(error)) from error


@click.group()
def jobs() -> None:
    """Work in the background: find it, understand it, start it again, call it off."""


@jobs.command("list")
@filtering
@click.option("--limit", default=20, type=click.IntRange(1, PAGE), help="How many at most, newest first.")
@acting
def list_jobs(limit: int, tenant: str | None, email: str | None, as_json: bool, **wanted: Any) -> None:
    """List jobs, newest first."""

    async def work(subject: Subject) -> Sequence[JobView]:
        return (await service.list_jobs(subject, _filter(wanted), cursor=None, limit=limit)).items

    found = run_as(Who(tenant, email), work)
    show_json(found) if as_json else _show_jobs(found)


@jobs.command()
@click.argument("job_id", type=click.UUID)
@acting
def show(job_id: UUID, tenant: str | None, email: str | None, as_json: bool) -> None:
    """Show a job with each of its attempts."""
    told = run_as(Who(tenant, email), lambda subject: operations.timeline(subject, job_id))
    show_json(told) if as_json else _show_timeline(told)


@jobs.command()
@click.argument("job_id", type=click.UUID)
@acting
def why(job_id: UUID, tenant: str | None, email: str | None, as_json: bool) -> None:
    """Say why a job waits."""
    told = run_as(Who(tenant, email), lambda subject: operations.why_waiting(subject, job_id))
    if as_json:
        show_json(told)
        return
    click.echo(told.state)
    for reason in told.reasons:
        click.echo(f"  {reason.code}: {reason.detail}")
        for name in ("since", "until", "user_id", "job_ids"):
            if value := getattr(reason, name):
                click.echo(f"    {name}: {cell(value)}")


@jobs.command()
@click.argument("job_ids", metavar="JOB_ID...", type=click.UUID, nargs=-1, required=True)
@acting
def retry(job_ids: tuple[UUID, ...], tenant: str | None, email: str | None, as_json: bool) -> None:
    """Start dead jobs, or those that wait for their time, now."""
    _act_on(job_ids, "retry", Who(tenant, email), as_json)


@jobs.command()
@click.argument("job_ids", metavar="JOB_ID...", type=click.UUID, nargs=-1, required=True)
@acting
def discard(job_ids: tuple[UUID, ...], tenant: str | None, email: str | None, as_json: bool) -> None:
    """End jobs that wait, and take dead ones from the list of the dead."""
    _act_on(job_ids, "discard", Who(tenant, email), as_json)


@jobs.command()
@click.argument("job_ids", metavar="JOB_ID...", type=click.UUID, nargs=-1, required=True)
@acting
def cancel(job_ids: tuple[UUID, ...], tenant: str | None, email: str | None, as_json: bool) -> None:
    """Ask jobs that wait or run to stop."""
    _act_on(job_ids, "cancel", Who(tenant, email), as_json)


@jobs.command()
@click.argument("number", type=click.IntRange(0, 1000))
@click.argument("job_ids", metavar="JOB_ID...", type=click.UUID, nargs=-1, required=True)
@acting
def priority(number: int, job_ids: tuple[UUID, ...], tenant: str | None, email: str | None, as_json: bool) -> None:
    """Move jobs within their queue: the lowest NUMBER goes first."""
    _act_on(job_ids, "priority", Who(tenant, email), as_json, number)


@jobs.command()
@click.argument("action", type=click.Choice(get_args(Action)))
@filtering
@click.option(
    "--priority", "number", type=click.IntRange(0, 1000), help="The new priority, for the action of that name."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--preview", is_flag=True, help="Only tell what would be done.")
@acting
def bulk(
    action: Action,
    number: int | None,
    yes: bool,
    preview: bool,
    tenant: str | None,
    email: str | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Do the same to all jobs that match, after showing how many those are."""
    who, asked = Who(tenant, email), BulkAct(action=action, filter=_filter(wanted), priority=number, preview=True)
    told = run_as(who, lambda subject: operations.act_on_many(subject, asked), writes=True)
    if preview or not told.matched:
        show_json(told) if as_json else _show_outcome(told)
        return
    if not yes:
        _show_jobs(told.samples)
        click.confirm(f"{action} {told.matched} jobs?", abort=True)
    after: UUID | None = None
    while True:
        step = msgspec.structs.replace(asked, preview=False, after=after)
        done = run_as(who, functools.partial(operations.act_on_many, act=step), writes=True)
        show_json(done) if as_json else _show_outcome(done)
        if (after := done.next_after) is None:
            return


@jobs.command()
@acting
def dead(tenant: str | None, email: str | None, as_json: bool) -> None:
    """Show the dead jobs by kind and type of error."""
    groups = run_as(Who(tenant, email), operations.dead_groups)
    if as_json:
        show_json(groups)
        return
    rows = [(g.count, g.kind, g.error_type, g.oldest_at, g.newest_at, g.sample_ids[0]) for g in groups]
    show_table(("jobs", "kind", "error", "oldest", "newest", "for example"), rows)


def _act_on(job_ids: tuple[UUID, ...], action: Action, who: Who, as_json: bool, number: int | None = None) -> None:
    """Act on the named jobs; exit status 1 when one of them was refused."""
    asked = BulkAct(action=action, ids=list(job_ids), priority=number)
    done = run_as(who, lambda subject: operations.act_on_many(subject, asked), writes=True)
    show_json(done) if as_json else _show_outcome(done)
    if done.refused:
        raise click.exceptions.Exit(1)


def _show_jobs(found: Sequence[JobView]) -> None:
    rows = [
        (j.id, j.kind, j.state, j.priority, f"{j.attempts}/{j.max_attempts}", j.error and j.error.type, j.created_at)
        for j in found
    ]
    show_table(("id", "kind", "state", "priority", "attempts", "error", "made"), rows)


def _show_timeline(told: JobTimeline) -> None:
    _show_jobs([told.job])
    facts: dict[str, str | None] = {"request": told.request_id, "trace": told.trace_id}
    facts |= {f"children {state}": str(count) for state, count in told.children.items()}
    facts |= {name: job and f"{job.id} ({job.kind}, {job.state})" for name, job in _relatives(told)}
    if (fired := told.fired_by) is not None:
        facts["schedule"] = f"{fired.name or fired.schedule_id} ({fired.cause})"
    for name, value in facts.items():
        if value:
            click.echo(f"{name}: {value}")
    rows = [
        (
            each.number,
            each.worker and f"{each.worker.host}/{each.worker.pid}",
            each.started_at,
            f"{each.duration_seconds:.1f} s",
            each.outcome or "running",
            each.error and f"{each.error.type}: {each.error.detail}",
        )
        for each in told.attempts
    ]
    show_table(("attempt", "worker", "started", "took", "outcome", "error"), rows)


def _relatives(told: JobTimeline) -> Sequence[tuple[str, Any]]:
    return ("parent", told.parent), ("after", told.predecessor)


def _show_outcome(outcome: BulkOutcome) -> None:
    would = "would be " if outcome.preview else ""
    click.echo(f"{outcome.done} of {outcome.matched} jobs: {would}done ({outcome.action}); {outcome.remaining} remain")
    for refusal in outcome.refused:
        click.echo(f"  {refusal.count} refused, {refusal.type}: {refusal.detail} For example {refusal.job_ids[0]}")


@click.group("queues")
def queues_group() -> None:
    """The queues of jobs, and their pauses."""


@queues_group.command("list")
@acting
def list_queues(tenant: str | None, email: str | None, as_json: bool) -> None:
    """Show what is in the queues."""
    _show_queues(run_as(Who(tenant, email), queues.list_queues), as_json)


@queues_group.command()
@click.argument("queue", type=click.Choice(QUEUES))
@acting
def pause(queue: str, tenant: str | None, email: str | None, as_json: bool) -> None:
    """Start no job of the tenant's queue; what runs goes on."""
    _show_queues([run_as(Who(tenant, email), lambda subject: queues.pause(subject, queue), writes=True)], as_json)


@queues_group.command()
@click.argument("queue", type=click.Choice(QUEUES))
@acting
def resume(queue: str, tenant: str | None, email: str | None, as_json: bool) -> None:
    """Start the queue's jobs again."""
    _show_queues([run_as(Who(tenant, email), lambda subject: queues.resume(subject, queue), writes=True)], as_json)


def _show_queues(found: Sequence[QueueRow], as_json: bool) -> None:
    if as_json:
        show_json(found)
    else:
        show_table(QUEUE_COLUMNS, [(q.name, q.queued, q.waiting, q.running, q.oldest_at, q.paused_at) for q in found])


@click.group("workers")
def workers_group() -> None:
    """The worker processes."""


@workers_group.command("list")
@acting
def list_workers(tenant: str | None, email: str | None, as_json: bool) -> None:
    """Show the workers, and those that stopped within a quarter of an hour."""
    _show_workers(run_as(Who(tenant, email), workers.list_workers), as_json)


@workers_group.command()
@click.argument("worker_id", type=click.UUID)
@acting
def drain(worker_id: UUID, tenant: str | None, email: str | None, as_json: bool) -> None:
    """Have a worker take nothing new, finish or hand back what it does, and end."""
    view = run_as(Who(tenant, email), lambda subject: workers.drain_worker(subject, worker_id), writes=True)
    _show_workers([view], as_json)


def _show_workers(found: Sequence[WorkerView], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    rows = [
        (
            w.id,
            f"{w.host}/{w.pid}",
            w.state,
            w.queues,
            f"{w.jobs_running}/{w.threads}",
            f"{w.memory_bytes / MEBIBYTE:.0f} MiB",
            f"{w.heartbeat_age_seconds:.0f} s",
        )
        for w in found
    ]
    show_table(("id", "host/pid", "state", "queues", "jobs", "memory", "heartbeat"), rows)
