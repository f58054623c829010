"""Whether a JSON schema is one: judged here, so that a malformed one is refused alike whatever server answers."""

from typing import Any

import msgspec

from inference_gateway.errors import RequestRefused

MAX_SCHEMA_BYTES = 65_536
MAX_DEPTH = 64

_TYPES = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_SCHEMAS_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SCHEMAS_IN_A_ROW = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_KINDS: dict[str, tuple[type, ...]] = {
    "enum": (list,),
    "required": (list,),
    "$ref": (str,),
    "pattern": (str,),
    "minimum": (int, float),
    "maximum": (int, float),
    "exclusiveMinimum": (int, float),
    "exclusiveMaximum": (int, float),
    "minLength": (int,),
    "maxLength": (int,),
    "minItems": (int,),
    "maxItems": (int,),
}


def checked_schema(schema: dict[str, Any], pointer: str) -> dict[str, Any]:
    """Return `schema` when its keywords have the shapes that JSON Schema (2020-12) gives them.

    Raises:
        RequestRefused: one has not, or the schema is too large or too deep; `pointer` leads to the place.
    """
    if len(msgspec.json.encode(schema)) > MAX_SCHEMA_BYTES:
        raise RequestRefused(f"A schema may have {MAX_SCHEMA_BYTES} bytes.", pointer=pointer)
    _check(schema, pointer, MAX_DEPTH)
    return schema


def _check(schema: object, pointer: str, depth: int) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise RequestRefused("A JSON schema is an object or a boolean.", pointer=pointer)
    if depth == 0:
        raise RequestRefused(f"A JSON schema may be {MAX_DEPTH} levels deep.", pointer=pointer)
    for keyword, value in schema.items():
        place = f"{pointer}/{keyword.replace('~', '~0').replace('/', '~1')}"
        _check_keyword(keyword, value, place, depth)


def _check_keyword(keyword: str, value: object, place: str, depth: int) -> None:
    if keyword == "type":
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(name, str) and name in _TYPES for name in names):
            raise RequestRefused("This is no type of JSON.", pointer=place)
    elif keyword in _SCHEMAS_BY_NAME:
        if not isinstance(value, dict):
            raise RequestRefused(f"`{keyword}` maps names to schemas.", pointer=place)
        for name, schema in value.items():
            _check(schema, f"{place}/{name}", depth - 1)
    elif keyword in _SCHEMAS_IN_A_ROW:
        if not isinstance(value, list) or not value:
            raise RequestRefused(f"`{keyword}` is a list of schemas.", pointer=place)
        for index, schema in enumerate(value):
            _check(schema, f"{place}/{index}", depth - 1)
    elif keyword in _SCHEMAS:
        _check(value, place, depth - 1)
    elif (kinds := _KINDS.get(keyword)) is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
        raise RequestRefused(f"`{keyword}` has another kind of value.", pointer=place)
    elif keyword == "required" and isinstance(value, list) and not all(isinstance(name, str) for name in value):
        raise RequestRefused("`required` is a list of names.", pointer=place)
