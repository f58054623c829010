"""What the generated OpenAPI document lacks: problem answers, who may call what, and that unknown fields are refused."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from backend.problems import MEDIA_TYPE, Problem

Schema = dict[str, Any]

API_PREFIX = "/api/"
REFERENCE_PREFIX = "#/components/schemas/"
ANY_REQUEST = (400, 404, 405, 429, 503)
SIGNED_IN = (401, 403)
UNSAFE = (403, 409, 413, 415, 422)
METHODS = frozenset({"get", "post", "put", "patch", "delete", "head"})
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}


class Operation(msgspec.Struct, frozen=True):
    """What a route declares about its callers."""

    signed_in: bool
    permission: str | None


def complete(schema: Schema, operations: Mapping[tuple[str, str], Operation]) -> Schema:
    """Complete the document in place; `operations` maps (method in lower case, path) to what the route declares."""
    _drop_examples(schema)
    components = schema.setdefault("components", {})
    schemas: Schema = components.setdefault("schemas", {})
    components["securitySchemes"] = SECURITY_SCHEMES
    _, described = msgspec.json.schema_components([Problem], ref_template=REFERENCE_PREFIX + "{name}")
    schemas.update(described)
    seen: set[str] = set()
    for path, item in schema.get("paths", {}).items():
        for method in METHODS & item.keys():
            _describe(item[method], method, path, operations.get((method, path)))
            _forbid_unknown_fields(item[method].get("requestBody"), schemas, seen)
    return schema


def _drop_examples(node: Any) -> None:
    """Remove the generator's random examples: noise to readers, and for raw JSON not even JSON."""
    if isinstance(node, dict):
        if isinstance(node.get("examples"), list):
            del node["examples"]
        for value in node.values():
            _drop_examples(value)
    elif isinstance(node, list):
        for item in node:
            _drop_examples(item)


def _describe(operation: Schema, method: str, path: str, declared: Operation | None) -> None:
    answers: Schema = operation.setdefault("responses", {})
    statuses = set(ANY_REQUEST) if path.startswith(API_PREFIX) else {400, 404, 405}
    if declared is None or declared.signed_in:
        operation["security"] = [{"bearer": []}]
        statuses.update(SIGNED_IN)
    else:
        operation["security"] = []
    if declared is not None and declared.permission:
        operation["x-permission"] = declared.permission
    if method in {"post", "put", "patch", "delete"}:
        statuses.update(UNSAFE)
    if path.startswith(("/api/v1/auth/", "/api/v1/webhooks/in/")):
        statuses.add(401)
    statuses.update(int(status) for status in answers if status >= "400")
    for status in sorted(statuses):
        answers[str(status)] = _problem_answer(status)


def _problem_answer(status: int) -> Schema:
    content = {MEDIA_TYPE: {"schema": {"$ref": REFERENCE_PREFIX + "Problem"}}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _forbid_unknown_fields(node: Any, schemas: Schema, seen: set[str]) -> None:
    """Inputs refuse unknown fields, which the generator does not say."""
    if isinstance(node, list):
        for item in node:
            _forbid_unknown_fields(item, schemas, seen)
    if not isinstance(node, dict):
        return
    name = str(node.get("$ref", "")).removeprefix(REFERENCE_PREFIX)
    if name:
        if name not in seen:
            seen.add(name)
            _forbid_unknown_fields(schemas.get(name), schemas, seen)
        return
    if "properties" in node:
        node.setdefault("additionalProperties", False)
    for value in list(node.values()):
        _forbid_unknown_fields(value, schemas, seen)
