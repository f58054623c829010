"""The fields of a schedule's form: which jobs can be scheduled, and what each has to be told."""

from typing import Any, Final, Literal, cast, get_args

import msgspec

from backend.jobs.cron import timezones
from db.jobs import JobKind, kind_named, kind_names

FieldType = Literal["integer", "number", "boolean", "string"]
OUTDATED: Final = ("Etc/", "SystemV/", "US/", "posix/", "right/")


class ArgumentField(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a kind's arguments; a type of its own makes it one for JSON."""

    name: str
    type: FieldType | Literal["json"]
    is_required: bool
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    default: Any = None


def schedulable_kinds() -> dict[str, list[ArgumentField]]:
    """Return the kinds that may be scheduled with their arguments' fields."""
    kinds = [kind for name in kind_names() if (kind := kind_named(name)) is not None and kind.schedulable]
    return {kind.name: argument_fields(kind) for kind in kinds}


def argument_fields(kind: JobKind[Any]) -> list[ArgumentField]:
    """Return a field for each argument, in the order in which they are declared."""
    (_,), schemas = msgspec.json.schema_components([kind.args])
    schema = schemas[kind.args.__name__]
    required = schema.get("required", [])
    return [_field(name, of, name in required) for name, of in schema["properties"].items()]


def zone_names() -> list[str]:
    """Return the time zones that people choose from, named by place, and UTC."""
    places = [zone for zone in timezones() if "/" in zone and not zone.startswith(OUTDATED)]
    return ["UTC", *sorted(places)]


def _field(name: str, of: dict[str, Any], is_required: bool) -> ArgumentField:
    known = of.get("type") in get_args(FieldType) and "enum" not in of
    return ArgumentField(
        name=name,
        type=cast("FieldType", of["type"]) if known else "json",
        is_required=is_required,
        minimum=of.get("minimum"),
        maximum=of.get("maximum"),
        max_length=of.get("maxLength"),
        default=of.get("default"),
    )
