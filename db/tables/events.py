"""Domain events on their way from the act to whoever wants to know of it."""

from piccolo.columns import BigInt, Integer, Text
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.base import created, moment, primary_key, reference
from db.tables.identity import Tenant


class OutboxEvent(Table, tablename="outbox", db=ENGINE):
    """One event; `payload` is JSON as it came: PostgreSQL's own types write a short number out in thousands of digits.

    The relay gives it its `position` once its transaction is over, and `sent_at` when Redis has its id.
    """

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    user_id = UUIDColumn(null=True, default=None)
    kind = Text()
    version = Integer()
    payload = Text()
    subject_id = UUIDColumn(null=True, default=None)
    request_id = Text()
    traceparent = Text()
    created_at = created()
    position = BigInt(null=True, default=None)
    sent_at = moment()


class EventConsumer(Table, tablename="event_consumers", db=ENGINE):
    """How far a consumer has come: every event up to `position` is handled, or noted in `event_failures`."""

    id = primary_key()
    name = Text()
    position = BigInt(default=0)
    created_at = created()
    updated_at = created()


class EventReceipt(Table, tablename="event_receipts", db=ENGINE):
    """That a consumer has handled an event, written in the transaction of the effect."""

    id = primary_key()
    consumer = Text()
    event_id = UUIDColumn(default=None)
    handled_at = created()


class EventFailure(Table, tablename="event_failures", db=ENGINE):
    """An event that a consumer could not handle: `waiting` for its next attempt, or `dead`."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    consumer = Text()
    event_id = reference(OutboxEvent, index=False)
    state = Text()
    attempts = Integer(default=1)
    error = Text()
    retry_at = moment()
    failed_at = created()
