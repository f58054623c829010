"""An api process without rate limits, with seeds in its database and somebody signed in for each role."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from litestar import Litestar

from backend.kit.http import DeclaredRoute, declared_routes
from tests.contract.api.seeds import NEW_PASSWORD, PASSWORD, ROLES, Login, Seeds

REFRESH_AFTER_SECONDS = 300
QUESTION = "What stands on sheet 3?"
CHATS = 6
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """An operation of the OpenAPI document."""

    method: str
    path: str
    definition: dict[str, Any]

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def body(self) -> dict[str, Any]:
        """The content of the body by media type; empty where none is taken."""
        content: dict[str, Any] = self.definition.get("requestBody", {}).get("content", {})
        return content


@dataclass
class Site:
    """`app` is the same application, not started: it tells the routes."""

    base_url: str
    app: Litestar
    document: dict[str, Any]
    seeds: Seeds
    chats: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)

    def operations(self) -> Iterator[Operation]:
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield Operation(method.upper(), path, item[method])

    def routes(self) -> list[DeclaredRoute]:
        return list(declared_routes(self.app))

    def anonymous(self) -> httpx.Client:
        return httpx.Client(base_url=self.base_url, timeout=30)

    def client(self, role: str) -> httpx.Client:
        """A client of the role's lasting session."""
        return httpx.Client(base_url=self.base_url, timeout=30, headers=self.headers(role))

    def headers(self, role: str) -> dict[str, str]:
        """The lasting session's token, renewed before it ends."""
        token, since = self._tokens.get(role, ("", 0.0))
        if not token:
            token, since = self.seeds.logins[role][0].access_token, time.monotonic()
        elif time.monotonic() - since > REFRESH_AFTER_SECONDS:
            token, since = self._refreshed(self.seeds.logins[role][0]), time.monotonic()
        self._tokens[role] = (token, since)
        return {"Authorization": f"Bearer {token}"}

    def passing_headers(self, role: str) -> dict[str, str]:
        """A session that the test may end, of a second person with the same rights."""
        for password in (PASSWORD, NEW_PASSWORD):  # a test may have changed it
            login = {"email": self.seeds.emails[f"passing-{role}"], "password": password}
            answer = httpx.post(f"{self.base_url}/api/v1/auth/login", json=login, timeout=30)
            if answer.is_success:
                break
        return {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}

    def converse(self) -> None:
        """Have each role that may ask, ask."""
        for role in ROLES[:-1]:
            with self.client(role) as client:
                answers = [client.post("/api/v1/chat", json={"message": QUESTION}) for _ in range(CHATS)]
            self.chats[role] = [answer.raise_for_status().json() for answer in answers]

    def _refreshed(self, login: Login) -> str:
        answer = httpx.post(
            f"{self.base_url}/api/v1/auth/refresh", json={"refresh_token": login.refresh_token}, timeout=30
        )
        login.refresh_token = answer.raise_for_status().json()["refresh_token"]
        token: str = answer.json()["access_token"]
        return token


def openapi_document(base_url: str) -> dict[str, Any]:
    """What clients get."""
    document: dict[str, Any] = json.loads(httpx.get(f"{base_url}/openapi.json", timeout=30).raise_for_status().content)
    return document
