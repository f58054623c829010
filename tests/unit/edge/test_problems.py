"""Each way of sending nonsense ends in a problem document with a stable type."""

import json
from typing import Any

import pytest
from litestar import get, post
from litestar.params import JSONBody

from backend.errors import DependencyUnavailable, LyceumError, catalogue
from backend.kit.http import public
from backend.problems import to_error
from db.errors import CheckViolation, DatabaseUnavailable, ForeignKeyViolation, UniqueViolation
from inference_gateway.errors import GatewayOverloaded, GatewayUnavailable, GenerationUnavailable
from ops.runtime.redis import RedisError
from rag.store.contract import VectorStoreUnavailable
from tests.unit.edge.conftest import BEARER, Client, edge_app, serving


async def problem(client: Client, method: str, path: str, **request: Any) -> dict[str, Any]:
    headers = {**BEARER, **request.pop("headers", {})}
    response = await client.request(method, path, headers=headers, **request)
    assert response.headers["content-type"] == "application/problem+json", response.text
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["request_id"] == response.headers["x-request-id"]
    assert document["title"]
    assert document["detail"]
    return {**document, "headers": response.headers}


async def body_problem(client: Client, body: bytes, content_type: str = "application/json") -> dict[str, Any]:
    return await problem(client, "POST", "/things", content=body, headers={"content-type": content_type})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/title"),
        ({"title": ""}, "/title"),
        ({"title": 5}, "/title"),
        ({"title": "x", "count": "5"}, "/count"),
        ({"title": "x", "count": 1.5}, "/count"),
        ({"title": "x", "extra": 1}, "/extra"),
        ({"title": "x", "a/b~c": 1}, "/a~1b~0c"),
        ({"title": "x", "tags": [{"name": "a"}, {"name": "b", "weight": 101}]}, "/tags/1/weight"),
        ({"title": "x", "tags": [{"name": "a", "data.x": 1}]}, "/tags/0/data.x"),
        ({"title": "x", "tags": [{}]}, "/tags/0/name"),
        ({"title": "x", "labels": {"data.x": "no"}}, "/labels"),
        ({"title": "a\x00b"}, "/title"),
        ({"title": "x", "labels": {"a\x00": 1}}, "/labels/a\x00"),
        ({"title": "x", "tags": [{"name": "a\x00"}]}, "/tags/0/name"),
        ({"title": "x", "count": 10**26}, "/count"),
        ({"title": "x", "count": -(10**26)}, "/count"),
        ([], ""),
        ("text", ""),
        (None, ""),
    ],
)
async def test_wrong_body_is_pointed_at(client: Client, body: Any, pointer: str) -> None:
    document = await body_problem(client, json.dumps(body).encode())
    assert document["status"] == 400
    assert document["type"] == "/problems/invalid-input"
    if "extra" in str(body) or "~" in pointer:
        assert document["errors"][0]["detail"] == "There is no such field."
    assert [error["pointer"] for error in document["errors"]] == [pointer or ""] or pointer == "/labels/a\x00"
    assert document["errors"][0]["in"] == "body"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"title": "x"} {}',
        b'{"title": "\xff"}',
        b'\xff\xfe{"title"',
        b'{"title": "a\x00b"}',
        b'{"title": "\\ud800"}',
        b"[" * 5000 + b"]" * 5000,
        b'{"labels": ' + b'{"a": ' * 5000 + b"1" + b"}" * 5001,
        b'{"title": NaN}',
    ],
)
async def test_body_that_is_no_json_is_refused(client: Client, body: bytes) -> None:
    document = await body_problem(client, body)
    assert document["status"] == 400
    assert document["type"] in ("/problems/malformed-body", "/problems/invalid-input")


async def test_nesting_where_anything_is_allowed_is_a_malformed_body() -> None:
    @post("/anything", opt=public())
    async def anything(data: JSONBody[dict[str, Any]]) -> None:
        del data

    async with serving(edge_app(anything)) as client:
        deep = b'{"a": ' * 5000 + b"1" + b"}" * 5000
        response = await client.post("/anything", content=deep, headers={"content-type": "application/json"})
        assert response.json()["type"] == "/problems/malformed-body"
        assert response.status_code == 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", ""])
async def test_other_content_type_is_415(client: Client, content_type: str) -> None:
    document = await body_problem(client, b'{"title": "x"}', content_type)
    assert (document["status"], document["type"]) == (415, "/problems/unsupported-media-type")


async def test_body_is_required(client: Client) -> None:
    document = await body_problem(client, b"")
    assert document["errors"] == [{"pointer": "", "detail": "This operation needs a body.", "in": "body"}]


async def test_large_body_is_413(client: Client) -> None:
    document = await body_problem(client, b'"' + b"x" * 1_100_000 + b'"')
    assert (document["status"], document["type"]) == (413, "/problems/payload-too-large")


async def test_missing_parameter_is_pointed_at(client: Client) -> None:
    document = await problem(client, "GET", "/by-name")
    assert document["errors"] == [{"pointer": "/name", "detail": "This parameter is required.", "in": "query"}]


async def test_all_wrong_parameters_are_reported(client: Client) -> None:
    document = await problem(client, "GET", "/by-name?since=yesterday")
    assert document["type"] == "/problems/invalid-input"
    document = await problem(client, "GET", "/by-name?name=x&since=yesterday")
    assert [error["pointer"] for error in document["errors"]] == ["/since"]


@pytest.mark.parametrize(
    ("query", "detail"),
    [("limit=0", ">= 1"), ("limit=101", "<= 100"), ("limit=x", "int"), ("limit=1" + "0" * 26, "<=")],
)
async def test_wrong_query_is_pointed_at(client: Client, query: str, detail: str) -> None:
    document = await problem(client, "GET", f"/things?{query}")
    assert document["status"] == 400
    assert [(error["in"], error["pointer"]) for error in document["errors"]] == [("query", "/limit")]
    assert detail in document["errors"][0]["detail"]


@pytest.mark.parametrize("path", ["/things?limit=%00", "/things/%00", "/open?x=a%00b"])
async def test_nul_in_the_address_is_refused(client: Client, path: str) -> None:
    assert (await problem(client, "GET", path))["status"] in (400, 404)


@pytest.mark.parametrize("path", ["/things/not-a-uuid", "/things/" + "9" * 40, "/nowhere", "/things/%ff"])
async def test_unknown_address_is_404(client: Client, path: str) -> None:
    assert (await problem(client, "GET", path))["type"] == "/problems/not-found"


async def test_wrong_method_is_405_and_names_the_right_ones(client: Client) -> None:
    document = await problem(client, "DELETE", "/things")
    assert document["status"] == 405
    assert {"GET", "POST"} <= {method.strip() for method in document["headers"]["allow"].split(",")}


async def test_fault_of_ours_tells_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    @get("/broken", opt=public())
    async def broken() -> None:
        raise KeyError("the secret of the house")

    async with serving(edge_app(broken)) as client:
        document = await problem(client, "GET", "/broken")
    assert (document["status"], document["type"]) == (500, "/problems/internal-error")
    assert "secret of the house" not in json.dumps({**document, "headers": dict(document["headers"])})
    output = "".join(capfd.readouterr())
    assert "unhandled_error" in output
    assert "secret of the house" in output


@pytest.mark.parametrize(
    ("exception", "status", "slug"),
    [
        (DatabaseUnavailable("OSError"), 503, "dependency-unavailable"),
        (RedisError("down"), 503, "dependency-unavailable"),
        (VectorStoreUnavailable("down"), 503, "dependency-unavailable"),
        (GatewayUnavailable("down"), 503, "dependency-unavailable"),
        (GatewayOverloaded("full"), 503, "dependency-unavailable"),
        (GenerationUnavailable("none"), 503, "dependency-unavailable"),
        (UniqueViolation("users_email"), 409, "conflict"),
        (ForeignKeyViolation("courses_faculty"), 409, "conflict"),
        (CheckViolation("users_state"), 400, "invalid-input"),
        (type("DataError", (Exception,), {"__module__": "asyncpg.exceptions"})("\\x00"), 400, "invalid-input"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "ours"), 500, "internal-error"),
        (RecursionError("ours"), 500, "internal-error"),
    ],
)
def test_errors_of_the_parts_are_mapped(exception: Exception, status: int, slug: str) -> None:
    error = to_error(exception)
    assert (error.status, error.type) == (status, slug)
    if status == 503:
        assert isinstance(error, DependencyUnavailable)
        assert error.retry_after_seconds
    assert str(exception) not in error.detail


async def test_unavailable_part_says_when_to_come_back() -> None:
    @get("/down", opt=public())
    async def down() -> None:
        raise DatabaseUnavailable("OSError")

    async with serving(edge_app(down)) as client:
        assert (await problem(client, "GET", "/down"))["headers"]["retry-after"] == "5"


def subclasses(kind: type[LyceumError]) -> list[type[LyceumError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in subclasses(child))]


def test_catalogue_holds_every_error_once_and_explains_it() -> None:
    kinds = subclasses(LyceumError)
    own = [kind for kind in kinds if "type" in vars(kind)]
    assert len({kind.type for kind in own}) == len(own)
    assert {kind.type for kind in catalogue()} == {kind.type for kind in kinds}
    for kind in kinds:
        assert 400 <= kind.status <= 599, kind
        assert kind.title, kind
        assert kind.title[0].isupper(), kind
        assert kind.__doc__, kind
        assert kind.__doc__.strip().endswith("."), kind
