"""Jobs, their attempts and events, and the workers that run them."""

from piccolo.columns import JSONB, Array, BigInt, DoublePrecision, Integer, Text, Timestamptz
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.base import created, moment, primary_key, reference
from db.tables.identity import Tenant


class Job(Table, tablename="jobs", db=ENGINE):
    """One piece of accepted work. `fencing_token` grows with each claim."""

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
    time_limit_seconds = DoublePrecision()
    concurrency_per_tenant = Integer()
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
    job_id = reference(Job)
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
    lock_key = BigInt()
    started_at = created()
    heartbeat_at = created()
    stopped_at = moment()
