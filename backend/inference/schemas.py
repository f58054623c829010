"""What the administration of models takes and gives."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from db.repositories.adapters import AdapterState
from db.repositories.inference_usage import UsageShareRow
from db.repositories.quotas import Level

Hours = Literal[24, 168, 720]
MAX_PERIOD_SECONDS: Final = 31 * 86_400
DAY_SECONDS: Final = 86_400

Amount = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
Period = Annotated[int, msgspec.Meta(ge=60, le=MAX_PERIOD_SECONDS)]


class NewQuota(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many tokens and requests fit into a bucket that refills in `period_seconds`; at least one of the two.

    Without `subject_id` a quota of level `course` or `person` is each one's that has none of its own. It takes the place of the
    one that was set for the same, within 10 seconds.
    """

    level: Level
    subject_id: UUID | None = None
    tokens: Amount | None = None
    requests: Amount | None = None
    period_seconds: Period = DAY_SECONDS


class QuotaLeft(msgspec.Struct, frozen=True, kw_only=True):
    """One quota that counts for a person and what is left of it by the records; null: without limit."""

    level: Level
    tokens: int | None
    tokens_left: int | None
    requests: int | None
    requests_left: int | None
    period_seconds: int


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """What the tenant allows. `keeps_text`: prompts and answers are kept for 30 days, sealed, to be run again; `since` when."""

    keeps_text: bool
    since: datetime | None
    text_may_leave: bool


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays. `text_may_leave`: text may go to models outside the installation."""

    keeps_text: bool | msgspec.UnsetType = msgspec.UNSET
    text_may_leave: bool | msgspec.UnsetType = msgspec.UNSET


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """How many kept answers are gone."""

    count: int


class AdapterView(msgspec.Struct, frozen=True, kw_only=True):
    """A LoRA adapter version; `name` is `namespace@sha256`. One that was quarantined was not what its manifest says."""

    id: UUID
    name: str
    owner_id: UUID
    state: AdapterState
    state_reason: str
    base_revision: str
    rank: int
    target_modules: list[str]
    size_bytes: int
    is_pinned: bool
    created_at: datetime
    revoked_at: datetime | None


class UsageHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What the tenant used, one value for each step that begins at `at` (seconds since 1970); the last step runs."""

    hours: int
    step_seconds: int
    at: list[int]
    requests: list[int]
    failed: list[int]
    cache_hits: list[int]
    degraded: list[int]
    prompt_tokens: list[int]
    completion_tokens: list[int]
    first_token_p50_seconds: list[float | None]
    first_token_p99_seconds: list[float | None]
    by_model: list[UsageShareRow]
    by_course: list[UsageShareRow]
