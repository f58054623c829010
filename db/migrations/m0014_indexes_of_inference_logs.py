"""What is asked of the gateway's records, and what a quota may say."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db.ddl import sql_migration

ID = "2026-11-21T13:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "indexes of inference logs, constraints of quotas and policies"

STATEMENTS = (
    # What a tenant, a course or a person has used since a moment; buckets are rebuilt from it.
    "CREATE INDEX inference_logs_tenant ON inference_logs (tenant_id, finished_at)",
    "CREATE INDEX inference_logs_course ON inference_logs (course_id, finished_at) WHERE course_id IS NOT NULL",
    "CREATE INDEX inference_logs_user ON inference_logs (user_id, finished_at) WHERE user_id IS NOT NULL",
    "CREATE INDEX inference_logs_request ON inference_logs (request_id) WHERE request_id <> ''",
    # What is past its time.
    "CREATE INDEX inference_logs_age ON inference_logs (finished_at)",
    "CREATE INDEX inference_logs_text ON inference_logs (finished_at) WHERE text_sealed IS NOT NULL",
    "CREATE UNIQUE INDEX quotas_subject ON quotas (tenant_id, level, subject_id) NULLS NOT DISTINCT",
    "CREATE UNIQUE INDEX inference_policies_tenant ON inference_policies (tenant_id)",
    """ALTER TABLE quotas
       ADD CONSTRAINT quotas_level CHECK (level IN ('tenant', 'course', 'person')),
       ADD CONSTRAINT quotas_tenant_alone CHECK (level <> 'tenant' OR subject_id IS NULL),
       ADD CONSTRAINT quotas_limits CHECK (coalesce(tokens, 1) > 0 AND coalesce(requests, 1) > 0),
       ADD CONSTRAINT quotas_period CHECK (period_seconds BETWEEN 1 AND 2678400)""",
    """ALTER TABLE inference_policies
       ADD CONSTRAINT inference_policies_weight CHECK (weight > 0 AND weight <= 1000)""",
)


async def forwards() -> MigrationManager:
    """Apply the statements in one transaction."""
    return sql_migration(ID, DESCRIPTION, STATEMENTS)
