"""What no form describes: bytes that are not text, nesting without end, NUL, numbers of a thousand digits, on every route."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract.api.site import METHODS, Operation, Site

NESTED = 5000
DIGITS = "9" * 5000
LARGE = 2 * 1024 * 1024
UUID = "018f0000-0000-7000-8000-000000000000"
ANYTHING = "stranger"
"""Whoever may do everything, in another tenant."""
REFUSED = {400, 404, 413, 415, 422}
JSON_BODIES: dict[str, bytes] = {
    "invalid UTF-8": b'{"title": "\xff\xfe\x80"}',
    "invalid UTF-8 alone": b"\xff",
    "lone surrogate": b'{"title": "\\ud800"}',
    "nested lists": b"[" * NESTED + b"]" * NESTED,
    "nested objects": b'{"a":' * NESTED + b"1" + b"}" * NESTED,
    "NUL in text": b'{"title": "a\\u0000b"}',
    "NUL in a name": b'{"a\\u0000b": 1}',
    "NUL as a byte": b"\x00",
    "huge integer": b'{"limit": ' + DIGITS.encode() + b"}",
    "huge exponent": b'{"limit": 1e999999}',
    "NaN": b'{"limit": NaN}',
    "cut": b'{"title": "abc',
    "empty": b"",
    "text behind": b"{} {}",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "twice the same key": b'{"title": "a", "title": "b"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"title": "a"}'.encode("utf-16"),
}
"""Sent as JSON to every operation that takes a body. Only a body that is right by chance may pass."""
TYPES = ("text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data")
HOSTILE_NUMBERS = (DIGITS, "-1", "1e9", "0x10", "٣", "1.5", "\udc80", "%00")


def with_body(site: Site) -> list[Operation]:
    return [operation for operation in site.operations() if operation.body]


def filled(path: str, **values: str) -> str:
    head, *rest = path.split("{")
    pieces = [piece.partition("}") for piece in rest]
    return head + "".join(values.get(name, "1" if name == "page" else UUID) + tail for name, _, tail in pieces)


def is_problem(answer: httpx.Response) -> bool:
    """A problem document of the catalogue, with the request's id."""
    if answer.headers.get("content-type") != "application/problem+json":
        return False
    document = answer.json()
    return (
        bool(document["type"].startswith("/problems/"))
        and document["status"] == answer.status_code
        and bool(document["request_id"])
    )


@pytest.mark.parametrize("name", JSON_BODIES)
def test_no_body_is_too_hostile_for_a_problem_document(site: Site, name: str) -> None:
    wrong = []
    with site.client(ANYTHING) as client:
        for operation in with_body(site):
            kind = next(iter(operation.body))
            content_type = kind if kind == "application/json" else f"{kind}; boundary=b"
            answer = client.request(
                operation.method,
                filled(operation.path),
                content=JSON_BODIES[name],
                headers={"content-type": content_type},
            )
            if answer.status_code not in REFUSED or not is_problem(answer):
                wrong.append(f"{operation.label}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("content_type", TYPES)
def test_a_body_of_another_type_is_415(site: Site, content_type: str) -> None:
    wrong = []
    with site.client(ANYTHING) as client:
        for operation in with_body(site):
            if content_type in operation.body:
                continue
            answer = client.request(
                operation.method, filled(operation.path), content=b"{}", headers={"content-type": content_type}
            )
            if answer.status_code != httpx.codes.UNSUPPORTED_MEDIA_TYPE or not is_problem(answer):
                wrong.append(f"{operation.label}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


def test_a_body_that_is_too_large_is_413(site: Site) -> None:
    wrong = []
    with site.client(ANYTHING) as client:
        for operation in with_body(site):
            if "application/json" not in operation.body:
                continue
            body = b'{"title": "' + b"a" * LARGE + b'"}'
            for content in (body, _pieces(body)):
                headers = {"content-type": "application/json"}
                answer = client.request(operation.method, filled(operation.path), content=content, headers=headers)
                if answer.status_code != httpx.codes.REQUEST_ENTITY_TOO_LARGE or not is_problem(answer):
                    wrong.append(f"{operation.label}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


def test_unknown_fields_are_pointed_at(site: Site) -> None:
    wrong = []
    with site.client(ANYTHING) as client:
        for operation in with_body(site):
            if "application/json" not in operation.body:
                continue
            body = smallest(site.document, operation.body["application/json"]["schema"]) | {"nobody_knows": 1}
            answer = client.request(operation.method, filled(operation.path), json=body)
            pointers = [error["pointer"] for error in answer.json().get("errors", [])]
            if answer.status_code != httpx.codes.BAD_REQUEST or pointers != ["/nobody_knows"]:
                wrong.append(f"{operation.label}: {answer.status_code} {answer.text[:300]}")
    assert not wrong, "\n".join(wrong)


def test_hostile_numbers_and_ids_in_addresses(site: Site) -> None:
    wrong = []
    with site.client(ANYTHING) as client:
        for operation, address in _addresses(site):
            answer = client.request(operation.method, address)
            if answer.status_code not in {400, 404} or not is_problem(answer):
                wrong.append(f"{operation.method} {address[:150]}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


def test_other_methods_are_405_with_allow(site: Site) -> None:
    wrong = []
    with site.client(ANYTHING) as client:
        for path, item in site.document["paths"].items():
            for method in {"put", "patch", "delete", "post", "get"} - item.keys():
                answer = client.request(method, filled(path))
                allowed = {name.strip().lower() for name in answer.headers.get("allow", "").split(",")}
                if (
                    answer.status_code != httpx.codes.METHOD_NOT_ALLOWED
                    or not is_problem(answer)
                    or not allowed >= item.keys() & set(METHODS)
                ):
                    wrong.append(f"{method} {path}: {answer.status_code} {answer.headers.get('allow')}")
    assert not wrong, "\n".join(wrong)


def _addresses(site: Site) -> Iterator[tuple[Operation, str]]:
    """Each path parameter and each number or id of a query, once with each hostile value; the rest as it should be."""
    for operation in site.operations():
        for parameter in operation.definition.get("parameters", []):
            name, schema = parameter["name"], json.dumps(parameter["schema"])
            is_number = '"integer"' in schema
            if parameter["in"] == "path":
                values = HOSTILE_NUMBERS if is_number else ("1", "..", f"{UUID}x", "%00", DIGITS)
                yield from ((operation, filled(operation.path, **{name: _quoted(value)})) for value in values)
            elif parameter["in"] == "query" and (is_number or "uuid" in schema):
                values = HOSTILE_NUMBERS if is_number else ("1", "", f"{UUID}x", "%00", DIGITS)
                others = [one for one in operation.definition["parameters"] if one["in"] == "query" and one["required"]]
                given = "".join(f"&{one['name']}=1" for one in others if one is not parameter)
                yield from ((operation, f"{filled(operation.path)}?{name}={_quoted(value)}{given}") for value in values)


def _quoted(value: str) -> str:
    return (
        value if value.startswith("%") else "".join(f"%{byte:02X}" for byte in value.encode("utf-8", "surrogateescape"))
    )


def _pieces(body: bytes) -> Iterator[bytes]:
    yield from (body[start : start + 65536] for start in range(0, len(body), 65536))


def smallest(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The smallest body of a schema: required fields only."""
    resolved = _resolved(document, schema)
    return {name: _value(document, resolved["properties"][name]) for name in resolved.get("required", [])}


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    found: dict[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema
    return found


def _value(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    found = _resolved(document, schema)
    match found.get("type"):
        case "array":
            return [_value(document, found["items"]) for _ in range(found.get("minItems", 0))]
        case "integer":
            return int(found.get("minimum", 1))
        case "string" if "enum" in found:
            return found["enum"][0]
        case "string" if found.get("format") == "uuid":
            return UUID
        case "string" if found.get("format") == "date":
            return "2026-10-01"
        case "string" if found.get("format") == "date-time":
            return "2026-10-01T00:00:00Z"
        case _:
            return "a@b.example" if "@" in found.get("pattern", "") else "a"
