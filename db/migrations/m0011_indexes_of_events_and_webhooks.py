"""Indexes and constraints of events and webhooks, and the rights to webhooks of the roles that are there already."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db.ddl import sql_migration

ID = "2026-11-21T09:40:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "indexes and constraints of events and webhooks"

STATEMENTS = (
    # The order of events; those that have no place in it yet, and those whose id is to go to Redis.
    "CREATE UNIQUE INDEX outbox_position ON outbox (position)",
    "CREATE INDEX outbox_unnumbered ON outbox (created_at, id) WHERE position IS NULL",
    "CREATE INDEX outbox_unsent ON outbox (position) WHERE sent_at IS NULL AND position IS NOT NULL",
    "CREATE INDEX outbox_tenant ON outbox (tenant_id, position)",
    "CREATE INDEX outbox_sent ON outbox (sent_at)",
    # An effect once, whoever tries it again.
    "CREATE UNIQUE INDEX event_consumers_name ON event_consumers (name)",
    "CREATE UNIQUE INDEX event_receipts_once ON event_receipts (event_id, consumer)",
    "CREATE UNIQUE INDEX event_failures_once ON event_failures (event_id, consumer)",
    "CREATE INDEX event_failures_due ON event_failures (consumer, retry_at) WHERE state = 'waiting'",
    "CREATE INDEX event_failures_dead ON event_failures (tenant_id, id) WHERE state = 'dead'",
    "ALTER TABLE event_failures ADD CONSTRAINT event_failures_state CHECK (state IN ('waiting', 'dead'))",
    # Webhooks out: one delivery of an event to an endpoint, its log, what is purged.
    "CREATE INDEX webhook_endpoints_tenant ON webhook_endpoints (tenant_id, id)",
    "CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (endpoint_id, event_id)",
    "CREATE INDEX webhook_deliveries_page ON webhook_deliveries (endpoint_id, id)",
    "CREATE INDEX webhook_deliveries_state ON webhook_deliveries (endpoint_id, state, id)",
    "CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL",
    "CREATE UNIQUE INDEX webhook_attempts_number ON webhook_attempts (delivery_id, attempt)",
    """ALTER TABLE webhook_deliveries ADD CONSTRAINT webhook_deliveries_state
       CHECK (state IN ('waiting', 'delivered', 'failed'))""",
    # Webhooks in: a message once.
    "CREATE UNIQUE INDEX webhook_sources_name ON webhook_sources (tenant_id, name)",
    "CREATE UNIQUE INDEX webhook_receipts_once ON webhook_receipts (source_id, message_id)",
    "CREATE INDEX webhook_receipts_received ON webhook_receipts (received_at)",
    """UPDATE roles SET permissions = permissions || ARRAY['webhook.read', 'webhook.write']
       WHERE is_builtin AND name IN ('admin', 'ops') AND NOT 'webhook.read' = ANY(permissions)""",
)


async def forwards() -> MigrationManager:
    """Apply the statements in one transaction."""
    return sql_migration(ID, DESCRIPTION, STATEMENTS)
