"""The one guard of all routes: host, origin, who asks, how often, with which permission, and whether again."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler

from backend.errors import AuthenticationRequired, BadRequest, PermissionMissing, RateLimited
from backend.kit import idempotency
from backend.kit.http.access import Access, access_of
from backend.kit.http.browser import SAFE_METHODS, BrowserProtection, Connection
from backend.kit.ratelimit import RequestClass, RequestGate, address_bucket
from backend.kit.refusals import audit_refusal
from backend.kit.subject import Subject
from ops.runtime.peers import is_from_this_machine

# The type of a handler's parameter `subject`: who asks.
CurrentSubject = NamedDependency[Subject]
Authenticate = Callable[[Connection], Awaitable[Subject | None]]

IDEMPOTENCY_HEADER = "idempotency-key"
HOST_FREE_PATHS = ("/health/", "/metrics")


async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let the request through to its handler, with `connection.user` set, or raise what is wrong with it."""
    access = access_of(handler)
    if access is None or access.own_authentication or connection.scope["type"] != ScopeType.HTTP:
        return
    method = str(connection.scope.get("method"))
    protection: BrowserProtection = connection.app.state.protection
    _check_host(connection, protection)
    if "\x00" in connection.scope["path"] or b"%00" in connection.scope.get("query_string", b""):
        raise BadRequest("The address must not hold the character NUL.")
    unsafe = method not in SAFE_METHODS
    if unsafe and "authorization" not in connection.headers:
        protection.check_origin(connection)
    if not access.signed_in or (access.open_on_this_machine and is_from_this_machine(connection.scope)):
        connection.scope.setdefault("user", None)
        if access.request_class is not None:
            await admit(connection, _address(connection))
        return
    subject = await _authenticated(connection)
    if unsafe and protection.signed_by_cookie(connection):
        protection.check_csrf_token(connection, subject.session_id)
    if access.permission is not None and not subject.can_anywhere(access.permission):
        raise PermissionMissing(access.permission)
    if method == "POST" and (key := connection.headers.get(IDEMPOTENCY_HEADER)) is not None:
        await _begin_idempotent(connection, access, subject, key)


async def admit(connection: Connection, who: str, keys: Sequence[str] = ()) -> tuple[bytes | None, ...]:
    """Take a token from the bucket of `who` (a person's id, or an address) and read `keys` from Redis in the same trip.

    The authenticator calls it as soon as it knows who asks, before anything that costs more.

    Raises:
        RateLimited: the bucket is empty.
    """
    access: Access | None = access_of(connection.route_handler)
    gate: RequestGate = connection.app.state.gate
    admission = await gate.admit(_request_class(connection, access), who, keys)
    connection.scope["state"]["admission"] = admission
    if not admission.allowed:
        raise RateLimited("Slow down a little.", retry_after_seconds=admission.retry_after_seconds)
    return admission.cached


async def record_refusal(exception: Exception, scope: Any) -> None:
    """Litestar's hook after an exception."""
    subject = scope.get("user")
    if not isinstance(exception, PermissionMissing) or not isinstance(subject, Subject):
        return
    await audit_refusal(subject, exception.permission, method=scope.get("method"), route=scope.get("path_template"))


async def begin_unstored(request: Any, subject: Subject) -> str | None:
    """Take the request's idempotency key, if it has one, and keep only the `Location` of its answer, which must have one.

    For a handler whose route does not store answers. Returns the first answer's `Location` when the request is a
    repetition: the handler then makes the answer anew from what the person may read now.

    Raises:
        RequestStillRunning, IdempotencyKeyReused, ValidationFailed: as `backend.kit.idempotency.begin`.
    """
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is None:
        return None
    try:
        pending = await idempotency.begin(key, subject.user_id, _route(request), await request.body(), keeps_body=False)
    except idempotency.AnsweredBefore as before:
        return before.answer.location
    request.scope["state"]["pending_answer"] = pending
    return None


def current_subject(connection: Connection) -> Subject:
    """Return who asks, behind a route that is not public."""
    subject = connection.scope.get("user")
    if not isinstance(subject, Subject):
        raise AuthenticationRequired
    return subject


async def _authenticated(connection: Connection) -> Subject:
    authenticate: Authenticate = connection.app.state.authenticate
    subject = await authenticate(connection)
    if subject is None:
        raise AuthenticationRequired
    connection.scope["user"] = subject
    return subject


async def _begin_idempotent(connection: Any, access: Access, subject: Subject, key: str) -> None:
    if not access.stores_answer or access.streams_body or "text/event-stream" in connection.headers.get("accept", ""):
        return
    pending = await idempotency.begin(key, subject.user_id, _route(connection), await connection.body())
    connection.scope["state"]["pending_answer"] = pending


def _route(connection: Connection) -> str:
    return f"POST {connection.scope['path']}"


def _request_class(connection: Connection, access: Access | None) -> RequestClass:
    if access is not None and access.request_class is not None:
        return access.request_class
    return "reads" if connection.scope.get("method", "GET") in SAFE_METHODS else "writes"


def _check_host(connection: Connection, protection: BrowserProtection) -> None:
    if not protection.allowed_hosts or connection.scope["path"].startswith(HOST_FREE_PATHS):
        return
    if connection.headers.get("host", "").lower() not in protection.allowed_hosts:
        raise BadRequest("This host name is not served here.")


def _address(connection: Connection) -> str:
    client = connection.scope.get("client")
    return address_bucket(client[0]) if client else "unknown"
