"""How full the queues were, and what passed through them."""

from piccolo.columns import DoublePrecision, Integer, Text, Timestamptz
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.base import primary_key, reference
from db.tables.identity import Tenant


class QueueSample(Table, tablename="queue_samples", db=ENGINE):
    """A queue in the `step_seconds` from `slot_at` on: of one tenant, or without one of the whole installation.

    A tenant's queue in which nothing was and nothing happened has no row; the installation's has one for each slot in
    which a clock was there to look. What came and went is counted up to `counted_until`, over `counted_seconds`.
    """

    id = primary_key()
    tenant_id = reference(Tenant, null=True, index=False)
    queue = Text()
    slot_at = Timestamptz()
    step_seconds = Integer()
    counted_until = Timestamptz()
    counted_seconds = DoublePrecision()
    depth = Integer()
    oldest_seconds = DoublePrecision()
    in_flight = Integer()
    arrived = Integer()
    succeeded = Integer()
    died = Integer()
    cancelled = Integer()
