"""Indexes and constraints that Piccolo's columns cannot say."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db.ddl import sql_migration

ID = "2026-11-21T02:44:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "indexes and constraints"

STATEMENTS = (
    # One live row per key; rows that are deleted keep theirs.
    "CREATE UNIQUE INDEX tenants_one_default ON tenants (is_default) WHERE is_default AND deleted_at IS NULL",
    "CREATE UNIQUE INDEX users_email_live ON users (email_normalised) WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX roles_name_live ON roles (tenant_id, name) WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX faculties_code_live ON faculties (tenant_id, code) WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX semesters_code_live ON semesters (faculty_id, code) WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX courses_code_live ON courses (semester_id, code) WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX enrolments_active ON enrolments (course_id, user_id) WHERE ended_at IS NULL",
    "CREATE UNIQUE INDEX grants_live ON grants (user_id, role_id, faculty_id, course_id) NULLS NOT DISTINCT WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX document_versions_number ON document_versions (document_id, version)",
    "CREATE UNIQUE INDEX document_versions_bytes_live ON document_versions (course_id, sha256) WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX passages_place ON passages (document_id, version, ordinal)",
    "CREATE UNIQUE INDEX chat_turns_order ON chat_turns (session_id, ordinal)",
    "CREATE UNIQUE INDEX chat_citations_marker ON chat_citations (turn_id, marker)",
    "CREATE UNIQUE INDEX idempotency_keys_request ON idempotency_keys (user_id, route, key)",
    "CREATE UNIQUE INDEX jobs_dedupe_live ON jobs (tenant_id, kind, dedupe_key) WHERE state IN ('queued', 'waiting', 'running')",
    "CREATE UNIQUE INDEX job_attempts_number ON job_attempts (job_id, attempt)",
    "CREATE UNIQUE INDEX job_events_seq ON job_events (job_id, seq)",
    # Pages of lists, newest first, and the scans of the clock.
    "CREATE INDEX users_tenant_id_id ON users (tenant_id, id)",
    "CREATE INDEX courses_tenant_id_id ON courses (tenant_id, id) WHERE deleted_at IS NULL",
    "CREATE INDEX enrolments_user_active ON enrolments (user_id, course_id) WHERE ended_at IS NULL",
    "CREATE INDEX documents_course_live ON documents (course_id, id) WHERE deleted_at IS NULL",
    "CREATE INDEX passages_course ON passages (course_id)",
    "CREATE INDEX chat_turns_open ON chat_turns (user_id) WHERE state = 'open'",
    "CREATE INDEX chat_citations_document ON chat_citations (document_id)",
    "CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at)",
    "CREATE INDEX one_time_tokens_age ON one_time_tokens (expires_at)",
    "CREATE INDEX jobs_tenant_id_id ON jobs (tenant_id, id)",
    "CREATE INDEX jobs_user_id_id ON jobs (user_id, id)",
    "CREATE INDEX jobs_subject_id ON jobs (subject_id)",
    "CREATE INDEX jobs_to_push ON jobs (created_at) WHERE pushed_at IS NULL AND state IN ('queued', 'waiting')",
    "CREATE INDEX jobs_live ON jobs (queue, state, lease_until) WHERE state IN ('queued', 'waiting', 'running')",
    "CREATE INDEX audit_log_order ON audit_log (transaction_id, id)",
    "CREATE INDEX audit_log_tenant ON audit_log (tenant_id, id)",
    "CREATE INDEX audit_log_user ON audit_log (user_id, id)",
    # The words of the states, as the program uses them.
    "ALTER TABLE users ADD CONSTRAINT users_state CHECK (state IN ('active', 'disabled'))",
    "ALTER TABLE users ADD CONSTRAINT users_locale CHECK (locale IN ('en', 'ar'))",
    "ALTER TABLE semesters ADD CONSTRAINT semesters_dates CHECK (starts_on <= ends_on)",
    "ALTER TABLE grants ADD CONSTRAINT grants_one_place CHECK (faculty_id IS NULL OR course_id IS NULL)",
    """ALTER TABLE document_versions ADD CONSTRAINT document_versions_state CHECK
       (state IN ('queued', 'parsing', 'chunking', 'embedding', 'indexing', 'ready', 'failed'))""",
    """ALTER TABLE document_versions ADD CONSTRAINT document_versions_failure CHECK
       ((state = 'failed') = (failure_type IS NOT NULL))""",
    "ALTER TABLE passages ADD CONSTRAINT passages_span CHECK (char_start >= 0 AND char_end > char_start)",
    """ALTER TABLE chat_turns ADD CONSTRAINT chat_turns_state CHECK
       (state IN ('open', 'done', 'stopped', 'interrupted', 'failed'))""",
    """ALTER TABLE chat_turns ADD CONSTRAINT chat_turns_verdict CHECK
       (verdict IN ('answered', 'partly', 'not_in_material', 'refused'))""",
    """ALTER TABLE jobs ADD CONSTRAINT jobs_state CHECK
       (state IN ('queued', 'waiting', 'running', 'succeeded', 'dead', 'cancelled'))""",
    # The writing transaction's own number: the clock seals only what no running transaction can still precede.
    "ALTER TABLE audit_log ALTER COLUMN transaction_id SET DEFAULT (pg_current_xact_id()::text::bigint)",
    "ALTER TABLE audit_log ALTER COLUMN timestamp SET DEFAULT clock_timestamp()",
)


async def forwards() -> MigrationManager:
    """Apply the statements in one transaction."""
    return sql_migration(ID, DESCRIPTION, STATEMENTS)
