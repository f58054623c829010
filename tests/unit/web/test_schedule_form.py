"""A schedule's form asks for what its jobs have to be told."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec

from backend.jobs.jobs import PURGE
from backend.web.schedule_form import argument_fields, schedulable_kinds, zone_names
from db.jobs import JobKind
from tests.integration.jobs.test_job_table import WORK


class Told(msgspec.Struct, frozen=True, kw_only=True):
    days: Annotated[int, msgspec.Meta(ge=1, le=30)]
    share: float = 0.5
    thorough: bool = False
    name: Annotated[str, msgspec.Meta(max_length=20)] = ""
    courses: list[str] = []


def test_each_argument_has_a_field_of_its_type() -> None:
    kind: JobKind[Any] = msgspec.structs.replace(WORK, name="test.told", args=Told)
    fields = {field.name: field for field in argument_fields(kind)}
    assert {name: field.type for name, field in fields.items()} == {
        "days": "integer",
        "share": "number",
        "thorough": "boolean",
        "name": "string",
        "courses": "json",
    }
    assert (fields["days"].is_required, fields["days"].minimum, fields["days"].maximum) == (True, 1, 30)
    assert (fields["share"].is_required, fields["share"].default) == (False, 0.5)
    assert fields["name"].max_length == 20


def test_only_what_may_be_scheduled_is_offered() -> None:
    assert [field.name for field in schedulable_kinds()[PURGE.name]] == ["older_than_days"]
    assert "documents.ingest" not in schedulable_kinds()


def test_every_zone_that_is_offered_exists() -> None:
    offered = zone_names()
    assert {"UTC", "Asia/Amman", "Africa/Cairo"} <= set(offered)
    assert all(ZoneInfo(zone) for zone in offered)
