"""Who may call what: declarations, sign-in, permission, origin, CSRF, host, headers."""

from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from litestar import get
from litestar.params import FromPath
from msgspec import Meta

from backend.kit.http import BrowserProtection, UndeclaredAccess, permission, public
from ops.runtime.ids import SessionId, new_id
from tests.unit.edge.conftest import BEARER, READER, Client, edge_app, serving, settings

OWN = {"Origin": "http://testserver.local"}
COOKIE = {"Cookie": "lyceum_session=reader"}
THING = {"title": "x"}


def csrf(session_id: SessionId | None = READER.session_id) -> dict[str, str]:
    assert session_id is not None
    return {"X-CSRF-Token": BrowserProtection(settings(), b"k" * 32).csrf_token(session_id)}


def test_silent_route_stops_the_start() -> None:
    @get("/silent")
    async def silent() -> None:
        return None

    with pytest.raises(UndeclaredAccess, match="GET /silent"):
        edge_app(silent)


def test_unknown_permission_stops_the_start() -> None:
    @get("/typo", opt=permission("course.raed"))
    async def typo() -> None:
        return None

    with pytest.raises(UndeclaredAccess, match="/typo"):
        edge_app(typo)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_limit_that_litestar_would_ignore_stops_the_start() -> None:
    @get("/page/{number:int}", opt=public())
    async def page(number: FromPath[Annotated[int, Meta(ge=1)]]) -> None:
        del number

    with pytest.raises(UndeclaredAccess, match="number"):
        edge_app(page)


async def test_public_route_needs_nobody(client: Client) -> None:
    assert (await client.get("/open")).json() == {"hello": "world"}


@pytest.mark.parametrize("path", ["/things", "/me", "/secret"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic eDp5"}])
async def test_without_valid_proof_401_tells_how(client: Client, path: str, headers: dict[str, str]) -> None:
    response = await client.get(path, headers=headers)
    assert response.status_code == 401
    assert response.json()["type"] == "/problems/authentication-required"
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_missing_permission_is_403_and_names_it(client: Client) -> None:
    response = await client.get("/secret", headers=BEARER)
    assert response.status_code == 403
    assert "audit.read" in response.json()["detail"]
    assert (await client.get("/things", headers={"Authorization": "Bearer stranger"})).status_code == 403
    assert (await client.get("/me", headers={"Authorization": "Bearer stranger"})).status_code == 200


async def test_handler_gets_the_subject(client: Client) -> None:
    assert (await client.get("/things", headers=BEARER)).json()["who"] == str(READER.user_id)


async def test_unknown_thing_does_not_come_before_sign_in(client: Client) -> None:
    assert (await client.post("/things", json={"wrong": 1})).status_code == 401


class TestCookie:
    async def test_safe_request_needs_no_token(self, client: Client) -> None:
        assert (await client.get("/things", headers=COOKIE)).status_code == 200

    async def test_own_page_with_token_may_write(self, client: Client) -> None:
        response = await client.post("/things", json=THING, headers={**COOKIE, **OWN, **csrf()})
        assert response.status_code == 201

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            OWN,
            csrf(),
            {**OWN, "X-CSRF-Token": "guess"},
            {**OWN, **csrf(SessionId(new_id()))},
            {"Origin": "http://evil.example", **csrf()},
            {"Origin": "null", **csrf()},
            {"Origin": "http://testserver.local.evil.example", **csrf()},
        ],
    )
    async def test_forged_request_is_refused(self, client: Client, headers: dict[str, str]) -> None:
        response = await client.post("/things", json=THING, headers={**COOKIE, **headers})
        assert (response.status_code, response.json()["type"]) == (403, "/problems/request-forged")

    async def test_authorization_header_goes_before_the_cookie(self, client: Client) -> None:
        headers = {**COOKIE, "Authorization": "Bearer nobody"}
        assert (await client.get("/things", headers=headers)).status_code == 401


async def test_sign_in_from_another_site_is_refused(client: Client) -> None:
    assert (await client.post("/sign-in")).status_code == 201
    assert (await client.post("/sign-in", headers=OWN)).status_code == 201
    assert (await client.post("/sign-in", headers={"Origin": "http://evil.example"})).status_code == 403


async def test_bearer_needs_no_origin(client: Client) -> None:
    headers = {**BEARER, "Origin": "http://elsewhere.example"}
    assert (await client.post("/things", json=THING, headers=headers)).status_code == 201


class TestPublicAddress:
    @pytest.fixture
    async def secure(self) -> AsyncIterator[Client]:
        app = edge_app(public_url="https://tutor.example", env="production")
        async with serving(app, base_url="https://tutor.example") as opened:
            yield opened

    async def test_only_its_own_name_is_served(self, secure: Client) -> None:
        assert (await secure.get("/open")).status_code == 200
        refused = await secure.get("/open", headers={"Host": "evil.example"})
        assert (refused.status_code, refused.json()["type"]) == (400, "/problems/bad-request")

    async def test_only_its_own_origin_may_write(self, secure: Client) -> None:
        cookie = {"Cookie": "__Host-lyceum_session=reader", **csrf()}
        for origin, status in (
            ("https://tutor.example", 201),
            ("http://tutor.example", 403),
            ("https://x.example", 403),
        ):
            response = await secure.post("/things", json=THING, headers={**cookie, "Origin": origin})
            assert response.status_code == status, origin

    async def test_plain_cookie_is_not_taken(self, secure: Client) -> None:
        assert (await secure.get("/things", headers=COOKIE)).status_code == 401

    async def test_https_is_remembered(self, secure: Client) -> None:
        assert "max-age" in (await secure.get("/open")).headers["strict-transport-security"]


@pytest.mark.parametrize("path", ["/open", "/nowhere", "/secret"])
async def test_every_answer_carries_the_security_headers(client: Client, path: str) -> None:
    headers = (await client.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


async def test_handler_may_narrow_the_policy() -> None:
    @get("/file", opt=public(), response_headers={"Content-Security-Policy": "sandbox"})
    async def file() -> str:
        return "x"

    async with serving(edge_app(file)) as client:
        assert (await client.get("/file")).headers.get_list("content-security-policy") == ["sandbox"]


async def test_personal_answers_are_not_stored(client: Client) -> None:
    assert (await client.get("/me", headers=BEARER)).headers["cache-control"] == "no-store"
    assert "cache-control" not in (await client.get("/open")).headers


async def test_request_id_is_kept_or_made(client: Client) -> None:
    kept = await client.get("/open", headers={"X-Request-Id": "from-the-proxy-1"})
    assert kept.headers["x-request-id"] == "from-the-proxy-1"
    for bad in ("short", "x" * 200, "with space 1234", "a;b=c&d<script>"):
        made = (await client.get("/open", headers={"X-Request-Id": bad})).headers["x-request-id"]
        assert made != bad
        assert len(made) == 32


def test_csrf_tokens_differ_by_session_and_key() -> None:
    assert READER.session_id is not None
    other = BrowserProtection(settings(), b"o" * 32)
    tokens = {csrf()["X-CSRF-Token"], csrf(SessionId(new_id()))["X-CSRF-Token"], other.csrf_token(READER.session_id)}
    assert len(tokens) == 3
