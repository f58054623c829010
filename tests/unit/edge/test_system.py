"""The whole application without any of its servers: it starts, says what is missing, and documents itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from litestar import Litestar

from backend.app import create_app
from backend.errors import catalogue
from backend.kit.http import declared_routes
from backend.kit.subject import GrantedPermissions
from backend.system.controller import build_document, metrics
from ops.runtime.telemetry import render_metrics
from tests.unit.edge.conftest import BEARER, PEOPLE, READER, Client, edge_app, serving, settings


@pytest.fixture
def alone(tmp_path: Path) -> Litestar:
    nobody = "127.0.0.1:1"
    return create_app(
        settings(
            database_url=f"postgresql://x:y@{nobody}/x",
            redis_url=f"redis://{nobody}/0",
            broker_url=f"redis://{nobody}/1",
            qdrant_url=f"http://{nobody}",
            gateway_url=f"http://{nobody}",
            object_store_url=f"file://{tmp_path}/objects",
        )
    )


@pytest.fixture
async def client(alone: Litestar) -> AsyncIterator[Client]:
    async with serving(alone) as opened:
        yield opened


async def test_process_alone_is_live_and_names_what_is_down(client: Client) -> None:
    assert (await client.get("/health/live")).json() == {"status": "live"}
    ready = await client.get("/health/ready")
    assert ready.status_code == 503
    found = {part["name"]: part["status"] for part in ready.json()["components"]}
    assert found == {"postgres": "down", "objects": "up", "redis": "down", "vectors": "down", "gateway": "down"}
    assert "x:y" not in ready.text


async def test_draining_process_is_not_ready(alone: Litestar, client: Client) -> None:
    alone.state.draining.set()
    ready = await client.get("/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"status": "draining"})


async def test_signed_in_routes_ask_for_proof_before_anything_else(alone: Litestar, client: Client) -> None:
    asked, headers = 0, {"Authorization": "Bearer e30.e30.e30", "X-Forwarded-For": "192.0.2.7"}
    for route in declared_routes(alone):
        if route.access is None or not route.access.signed_in or route.access.own_authentication:
            continue
        for method in route.methods:
            path = route.path.replace("{", "").replace("}", "")
            response = await client.request(method, path, headers=headers)
            assert response.status_code in (303, 401, 404), (method, route.path, response.status_code)
            asked += response.status_code != 404
    assert asked


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 401),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.7"}, 401),
        ("192.0.2.7", {}, 401),
        ("192.0.2.7", BEARER, 403),
        ("192.0.2.7", {"Authorization": "Bearer operator"}, 200),
    ],
)
async def test_metrics_are_for_this_machine_and_operators(
    monkeypatch: pytest.MonkeyPatch, peer: str, headers: dict[str, str], status: int
) -> None:
    grants = (GrantedPermissions(permissions=frozenset({"ops.read"})),)
    monkeypatch.setitem(PEOPLE, "operator", msgspec.structs.replace(READER, grants=grants))
    app = edge_app(metrics)
    async with serving(app):
        transport = httpx.ASGITransport(app, client=(peer, 1))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver.local") as client:
            answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == status
    assert ("process_resident_memory_bytes" in answer.text) is (status == 200)


async def test_golden_signals_are_counted_by_route_template() -> None:
    async with serving(edge_app()) as small:
        await small.get("/things/1b4e28ba-2fa1-41d2-883f-0016d3cca427", headers=BEARER)
        await small.get("/no/such/page/17")
    text = render_metrics().decode()
    assert 'lyceum_http_requests_total{operation="GET /things/{thing_id}",outcome="200"}' in text
    assert 'lyceum_http_requests_total{operation="GET unmatched",outcome="404"}' in text
    assert "lyceum_http_requests_seconds_bucket" in text
    assert "lyceum_http_requests_in_flight 0.0" in text
    assert "1b4e28ba" not in text


async def test_catalogue_page_explains_each_type(client: Client) -> None:
    listing = (await client.get("/problems")).text
    for kind in catalogue():
        page = await client.get(f"/problems/{kind.type}")
        assert page.status_code == 200
        assert str(kind.status) in page.text
        assert f'href="/problems/{kind.type}"' in listing
    assert (await client.get("/problems/no-such-type")).status_code == 404


async def test_problem_documents_are_described_on_every_operation(client: Client) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "errors" in document["components"]["schemas"]["Problem"]["properties"]
    for path, item in document["paths"].items():
        for operation in item.values():
            for status in ("400", "404", "405"):
                content = operation["responses"][status]["content"]
                assert content["application/problem+json"]["schema"]["$ref"].endswith("/Problem"), path


@pytest.mark.parametrize(("page", "library"), [("/docs", "swagger-ui-bundle.js"), ("/redoc", "redoc.standalone.js")])
async def test_readers_come_from_this_server_alone(client: Client, page: str, library: str) -> None:
    response = await client.get(page)
    assert library in response.text
    assert "http" not in response.text.replace("<!doctype html>", "")
    assert "script-src" not in response.headers["content-security-policy"]
    for line in response.text.split('"'):
        if line.startswith("/static/"):
            assert (await client.get(line)).status_code == 200


def test_document_says_who_may_call_and_that_unknown_fields_are_refused() -> None:
    document = msgspec.json.decode(build_document(edge_app()))
    thing = next(value for name, value in document["components"]["schemas"].items() if name.endswith("Thing"))
    tag = next(value for name, value in document["components"]["schemas"].items() if name.endswith("Tag"))
    assert thing["additionalProperties"] is tag["additionalProperties"] is False
    assert document["paths"]["/open"]["get"]["security"] == []
    assert document["paths"]["/things"]["post"]["security"] == [{"bearer": []}]
    assert document["paths"]["/things"]["post"]["x-permission"] == "course.read"
