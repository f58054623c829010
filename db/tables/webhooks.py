"""Webhooks: who is told of events elsewhere, what they were told, and who tells us."""

from piccolo.columns import Array, Boolean, Bytea, Integer, Text
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.base import created, moment, primary_key, reference
from db.tables.identity import Tenant


class WebhookEndpoint(Table, tablename="webhook_endpoints", db=ENGINE):
    """An address that is told of `events`. The secrets are sealed with the master key, bound to the row's id."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    url = Text()
    description = Text()
    events = Array(base_column=Text(), default=list)
    secret = Bytea()
    previous_secret = Bytea(null=True, default=None)
    previous_until = moment()
    is_enabled = Boolean(default=True)
    disabled_reason = Text(null=True, default=None)
    failing_since = moment()
    deleted_at = moment()
    created_by = UUIDColumn(null=True, default=None)
    created_at = created()
    updated_at = created()


class WebhookDelivery(Table, tablename="webhook_deliveries", db=ENGINE):
    """One message to one endpoint; `body` is signed and sent as it stands here at every attempt."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    endpoint_id = reference(WebhookEndpoint, index=False)
    event_id = UUIDColumn(null=True, default=None)
    kind = Text()
    body = Text()
    state = Text(default="waiting")
    attempts = Integer(default=0)
    job_id = UUIDColumn(null=True, default=None)
    created_at = created()
    ended_at = moment()


class WebhookAttempt(Table, tablename="webhook_attempts", db=ENGINE):
    """One try to deliver; answers' bodies are not kept."""

    id = primary_key()
    delivery_id = reference(WebhookDelivery, index=False)
    attempt = Integer()
    status = Integer(null=True, default=None)
    error = Text(null=True, default=None)
    duration_ms = Integer()
    created_at = created()


class WebhookSource(Table, tablename="webhook_sources", db=ENGINE):
    """A system elsewhere that tells us; what it sends becomes an event `inbound.<name>`."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    name = Text()
    description = Text()
    secret = Bytea()
    previous_secret = Bytea(null=True, default=None)
    previous_until = moment()
    created_by = UUIDColumn(null=True, default=None)
    created_at = created()
    updated_at = created()
    received_at = moment()


class WebhookReceipt(Table, tablename="webhook_receipts", db=ENGINE):
    """That a source's message was taken, so that its repetition does nothing."""

    id = primary_key()
    source_id = reference(WebhookSource, index=False)
    message_id = Text()
    received_at = created()
