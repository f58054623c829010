"""What the inference gateway was asked, what tenants, courses and people may use of it, and what a tenant allows."""

from piccolo.columns import BigInt, Boolean, Bytea, DoublePrecision, Integer, Numeric, Text, Timestamptz
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.base import created, moment, primary_key, reference
from db.tables.identity import Tenant


class InferenceLog(Table, tablename="inference_logs", db=ENGINE):
    """One request to the gateway. The ids are no references: what was used is counted whatever becomes of who used it.

    `text_sealed` is the request and its answer, sealed with the person's key, where the tenant consents; else null.
    """

    id = primary_key()
    tenant_id = UUIDColumn(null=True, default=None)
    user_id = UUIDColumn(null=True, default=None)
    course_id = UUIDColumn(null=True, default=None)
    request_id = Text()
    purpose = Text()
    asked_model = Text()
    model = Text()
    model_hash = Text()
    adapter_id = Text()
    upstream = Text()
    degraded = Boolean(default=False)
    cache_hit = Boolean(default=False)
    finish_reason = Text(null=True, default=None)
    error_code = Text()
    prompt_tokens = Integer()
    completion_tokens = Integer()
    queue_seconds = DoublePrecision(null=True, default=None)
    first_token_seconds = DoublePrecision(null=True, default=None)
    total_seconds = DoublePrecision()
    cost = Numeric(digits=(20, 9), null=True, default=None)
    temperature = DoublePrecision()
    seed = BigInt(null=True, default=None)
    prompt_sha256 = Text()
    text_sealed = Bytea(null=True, default=None)
    finished_at = Timestamptz()


class Quota(Table, tablename="quotas", db=ENGINE):
    """How many tokens and requests fit into a bucket that refills in `period_seconds`; null: without limit.

    Without `subject_id` a quota of a course or a person is each one's that has none of its own.
    """

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    level = Text()
    subject_id = UUIDColumn(null=True, default=None)
    tokens = BigInt(null=True, default=None)
    requests = BigInt(null=True, default=None)
    period_seconds = Integer(default=86_400)
    updated_by = UUIDColumn(null=True, default=None)
    updated_at = created()


class InferencePolicy(Table, tablename="inference_policies", db=ENGINE):
    """What a tenant allows, and its weight where several wait. `consented_at`: since when texts may be kept, if they may."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    weight = DoublePrecision(default=1.0)
    consented_at = moment()
    text_may_leave = Boolean(default=False)
    updated_by = UUIDColumn(null=True, default=None)
    updated_at = created()
