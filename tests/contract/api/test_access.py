"""Every route says who may call it, the table of routes is complete, and the door does what the table says."""

from uuid import uuid4

import httpx
import pytest

from tests.contract.api.seeds import ROLES
from tests.contract.api.site import Site
from tests.contract.api.snapshot import ACCESS, access_table

HINT = "If the change is meant: python -m tests.contract.api.snapshot"
REFUSED = {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}
ELSEWHERE = {"x-forwarded-for": "192.0.2.7"}
"""Some routes are open to processes of the same machine, as these tests are."""
ENDS_THE_SESSION = ("POST /api/v1/auth/logout", "DELETE /api/v1/me/sessions", "POST /sign-out")


def table() -> list[tuple[str, str, str, dict[str, bool]]]:
    """(method, path, what it needs, whether each role gets in)."""
    rows = [line.split() for line in ACCESS.read_text().splitlines() if not line.startswith("#")]
    return [
        (method, path, needs, {role: sign == "+" for role, sign in zip(ROLES, signs, strict=True)})
        for method, path, needs, *signs in rows
    ]


def requests() -> list[tuple[str, str, str, dict[str, bool]]]:
    return [row for row in table() if row[0] not in ("WEBSOCKET", "HEAD") and "{file_path}" not in row[1]]


def filled(path: str) -> str:
    """The path with ids that nothing has."""
    head, *rest = path.split("{")
    values = [("1" if piece.startswith("page") else str(uuid4())) + piece.partition("}")[2] for piece in rest]
    return head + "".join(values)


def test_the_table_lists_every_route_and_nothing_else(site: Site) -> None:
    assert access_table(site.app) == ACCESS.read_text(), HINT


def test_public_routes_are_few_and_known() -> None:
    public = {path for _, path, needs, _ in table() if needs == "public" and path.startswith("/api/v1/")}
    ways = {f"/api/v1/auth/{name}" for name in ("link", "login", "refresh", "register")}
    assert public == ways | {"/api/v1/webhooks/in/{source_id}"}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_gets_in_where_the_table_says(site: Site, role: str) -> None:
    wrong = []
    with httpx.Client(base_url=site.base_url, timeout=30) as client:
        for method, path, needs, allowed in requests():
            if needs == "public":
                continue
            ends = f"{method} {path}" in ENDS_THE_SESSION
            headers = site.passing_headers(role) if ends else site.headers(role)
            answer = client.request(method, filled(path), headers=headers | ELSEWHERE)
            is_in = answer.status_code not in REFUSED
            if is_in is not allowed[role] or answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                wrong.append(f"{role}: {method} {path} {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


def test_nobody_gets_in_without_signing_in(site: Site) -> None:
    wrong = []
    with site.anonymous() as client:
        for method, path, needs, _ in requests():
            answer = client.request(method, filled(path), headers=ELSEWHERE)
            to_sign_in = answer.is_redirect and answer.headers["location"].startswith("/sign-in")
            is_out = answer.status_code == httpx.codes.UNAUTHORIZED or (not path.startswith("/api/") and to_sign_in)
            if needs != "public" and not is_out:
                wrong.append(f"{method} {path} {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)
