"""`response_format`: OpenAI's three kinds, and what `huggingface_hub` and TGI send in their place."""

from typing import Annotated, Any

import msgspec

from inference_gateway.wire.schemas import checked_schema

POINTER = "/response_format"


class TextFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="text"):
    """Any text."""


class JsonFormat(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="json_object"
):
    """Any JSON object; `huggingface_hub` rewrites a schema into `value`."""

    value: dict[str, Any] | None = None


class TgiFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="json"):
    """TGI's way to ask for JSON that fits a schema."""

    value: dict[str, Any]


class JsonSchema(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's named schema; it is held to in any case, so `strict` makes no difference."""

    name: Annotated[str, msgspec.Meta(max_length=64)]
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="json_schema"
):
    """JSON that fits a schema."""

    json_schema: JsonSchema


ResponseFormat = TextFormat | JsonFormat | TgiFormat | JsonSchemaFormat


def schema_of(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    """Return the schema that the answer is to fit; raises `RequestRefused` for a malformed one."""
    if isinstance(wanted, JsonSchemaFormat):
        return checked_schema(wanted.json_schema.schema, f"{POINTER}/json_schema/schema")
    if isinstance(wanted, JsonFormat | TgiFormat):
        return {"type": "object"} if wanted.value is None else checked_schema(wanted.value, f"{POINTER}/value")
    return None
