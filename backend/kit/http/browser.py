"""What protects requests that a browser signs by cookie: where they come from, and a token only our pages can read."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection

from backend.errors import RequestForged
from ops.runtime.ids import SessionId
from ops.runtime.settings import Settings

Connection = ASGIConnection[Any, Any, Any, Any]

CSRF_HEADER = "x-csrf-token"
SESSION_COOKIE = "lyceum_session"
SECURE_SESSION_COOKIE = f"__Host-{SESSION_COOKIE}"
"""Browsers take a `__Host-` cookie over https alone."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class BrowserProtection:
    """The rules of one installation. `session_cookie` is the name of the cookie that signs pages in."""

    def __init__(self, settings: Settings, key: bytes) -> None:
        parts = urlsplit(settings.base_url)
        self.https = parts.scheme == "https"
        self.session_cookie = SECURE_SESSION_COOKIE if self.https else SESSION_COOKIE
        self._key = hmac.digest(key, b"lyceum csrf token", hashlib.sha256)
        self._origin = f"{parts.scheme}://{parts.netloc}".lower()
        self._follow_host = not settings.public_url
        is_public = settings.env == "production" or (settings.env == "staging" and bool(settings.public_url))
        self.allowed_hosts = frozenset({parts.netloc.lower()}) if is_public else frozenset()

    def csrf_token(self, session_id: SessionId) -> str:
        """Return the token of a session; pages carry it in a meta element and send it back as `X-CSRF-Token`."""
        mac = hmac.digest(self._key, session_id.bytes, hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    def signed_by_cookie(self, connection: Connection) -> bool:
        """Tell whether the request relies on the cookie: it has one and no `Authorization` header."""
        return "authorization" not in connection.headers and self.session_cookie in connection.cookies

    def is_own_origin(self, connection: Connection) -> bool | None:
        """Tell whether the request comes from our own pages; None when it does not say (not a browser, or an old one).

        An installation without a public address is reached under several names; there `Origin` must fit `Host`.
        """
        origin = connection.headers.get("origin")
        if origin is None:
            return None
        origin = origin.lower()
        if origin == self._origin:
            return True
        host = connection.headers.get("host", "").lower()
        return self._follow_host and bool(host) and origin in (f"http://{host}", f"https://{host}")

    def check_origin(self, connection: Connection) -> None:
        """Refuse an unsafe request of another site's page; one signed by cookie must say where it comes from.

        Raises:
            RequestForged: it comes from elsewhere.
        """
        own = self.is_own_origin(connection)
        if own is False or (own is None and self.signed_by_cookie(connection)):
            raise RequestForged("The Origin header does not name this site.")

    def check_csrf_token(self, connection: Connection, session_id: SessionId | None) -> None:
        """Refuse an unsafe request signed by cookie without its session's token.

        Raises:
            RequestForged: the token is missing or another session's.
        """
        sent = connection.headers.get(CSRF_HEADER, "")
        if session_id is None or not hmac.compare_digest(sent.encode(), self.csrf_token(session_id).encode()):
            raise RequestForged("The X-CSRF-Token header is missing or belongs to another session.")
