"""Jobs, their attempts and events, what holds them up or starts them, and the workers that run them."""

from piccolo.columns import JSONB, Array, BigInt, Boolean, DoublePrecision, Integer, Text, Timestamptz
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.base import created, moment, primary_key, reference
from db.tables.identity import Tenant


class Job(Table, tablename="jobs", db=ENGINE):
    """One piece of accepted work. `fencing_token` grows with each claim; `waits_for` says what else than a time it awaits."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    user_id = UUIDColumn(null=True, default=None)
    kind = Text()
    queue = Text()
    priority = Integer(default=0)
    args = JSONB()
    subject_id = UUIDColumn(null=True, default=None)
    dedupe_key = Text(null=True, default=None)
    state = Text(default="queued")
    attempt = Integer(default=0)
    max_attempts = Integer()
    losses = Integer(default=0)
    time_limit_seconds = DoublePrecision()
    concurrency_per_tenant = Integer()
    concurrency_key = Text(null=True, default=None)
    concurrency_per_key = Integer(default=1)
    waits_for = Text(null=True, default=None)
    parent_id = UUIDColumn(null=True, default=None)
    on_child_failure = Text(null=True, default=None)
    after_id = UUIDColumn(null=True, default=None)
    fencing_token = BigInt(default=0)
    worker_id = UUIDColumn(null=True, default=None)
    lease_until = moment()
    retry_at = moment()
    expires_at = Timestamptz()
    cancel_requested_at = moment()
    stage = Text(null=True, default=None)
    items_done = Integer(default=0)
    items_total = Integer(default=0)
    last_event = Integer(default=0)
    error = JSONB(null=True, default=None)
    request_id = Text()
    traceparent = Text()
    pushed_at = moment()
    created_at = created()
    started_at = moment()
    finished_at = moment()


class JobAttempt(Table, tablename="job_attempts", db=ENGINE):
    """One start of a job; `outcome` is null while it runs."""

    id = primary_key()
    job_id = reference(Job, index=False)
    attempt = Integer()
    worker_id = UUIDColumn(null=True, default=None)
    started_at = created()
    finished_at = moment()
    outcome = Text(null=True, default=None)
    error = JSONB(null=True, default=None)


class JobEvent(Table, tablename="job_events", db=ENGINE):
    """What readers of a job's progress are told, numbered from 1 without gaps."""

    id = primary_key()
    job_id = reference(Job, index=False)
    seq = Integer()
    type = Text()
    data = JSONB(default="{}")
    created_at = created()


class Worker(Table, tablename="workers", db=ENGINE):
    """A worker process. It holds the advisory lock `lock_key` as long as it lives: a kill frees the lock at once."""

    id = primary_key()
    host = Text()
    pid = Integer()
    queues = Array(base_column=Text(), default=list)
    threads = Integer(default=1)
    memory_bytes = BigInt(default=0)
    lock_key = BigInt()
    started_at = created()
    heartbeat_at = created()
    stopped_at = moment()
    drain_requested_at = moment()
    drain_requested_by = UUIDColumn(null=True, default=None)


class QueuePause(Table, tablename="queue_pauses", db=ENGINE):
    """While the row is there, no job of the tenant in that queue is started."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    queue = Text()
    paused_by = UUIDColumn(null=True, default=None)
    paused_at = created()


class Schedule(Table, tablename="schedules", db=ENGINE):
    """Jobs by the clock. `next_at` is the next due time, null while the schedule is off."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    user_id = UUIDColumn(null=True, default=None)
    name = Text()
    kind = Text()
    args = JSONB()
    cron = Text()
    timezone = Text()
    missed = Text()
    max_missed = Integer(default=1)
    is_enabled = Boolean(default=True)
    next_at = moment()
    created_at = created()
    updated_at = created()


class ScheduleFiring(Table, tablename="schedule_firings", db=ENGINE):
    """What a schedule did at a due time; without a job it was passed over."""

    id = primary_key()
    schedule_id = reference(Schedule, index=False)
    cause = Text()
    due_at = Timestamptz()
    fired_at = created()
    job_id = UUIDColumn(null=True, default=None)
