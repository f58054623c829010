"""What each route says about who may call it. A route that says nothing stops the start."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Litestar
from litestar.handlers import BaseRouteHandler
from litestar.routes import ASGIRoute, HTTPRoute, WebSocketRoute

from backend.kit.permissions import PERMISSIONS
from backend.kit.ratelimit import RequestClass

OPTION: Final = "access"


class UndeclaredAccess(Exception):
    """Routes do not say who may call them, or name a permission that does not exist."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who may call a route, and which bucket a call draws on (reads or writes by method when None).

    `stores_answer`: an answer may be kept for repetitions with the same `Idempotency-Key`. It is False where the answer
    holds a secret or depends on what the person may read at the time; the guard then leaves the key alone.
    `open_on_this_machine`: a process of the same machine needs no proof.
    """

    signed_in: bool = True
    permission: str | None = None
    own_authentication: bool = False
    request_class: RequestClass | None = None
    streams_body: bool = False
    stores_answer: bool = True
    open_on_this_machine: bool = False


def permission(
    name: str,
    *,
    request_class: RequestClass | None = None,
    streams_body: bool = False,
    stores_answer: bool = True,
    open_on_this_machine: bool = False,
) -> dict[str, Any]:
    """For `opt=`: the caller holds `name` somewhere; the service then asks for the place.

    `streams_body` marks a route that reads its body piece by piece, which the edge then leaves unread.
    """
    access = Access(
        permission=name,
        request_class=request_class,
        streams_body=streams_body,
        stores_answer=stores_answer,
        open_on_this_machine=open_on_this_machine,
    )
    return {OPTION: access}


def signed_in(*, request_class: RequestClass | None = None, stores_answer: bool = True) -> dict[str, Any]:
    """For `opt=`: anybody who is signed in, about themselves."""
    return {OPTION: Access(request_class=request_class, stores_answer=stores_answer)}


def public(*, request_class: RequestClass | None = None) -> dict[str, Any]:
    """For `opt=`: anybody. With a request class, calls are limited per address. No answer is stored: nobody owns it."""
    return {OPTION: Access(signed_in=False, request_class=request_class, stores_answer=False)}


def own_authentication(name: str | None = None) -> dict[str, Any]:
    """For `opt=` of a WebSocket: it signs in by its first message and asks for the permission `name` itself, if for any."""
    return {OPTION: Access(permission=name, own_authentication=True)}


def access_of(handler: BaseRouteHandler) -> Access | None:
    """Return what the route says, or None when it is silent."""
    found = handler.opt.get(OPTION)
    return found if isinstance(found, Access) else None


class DeclaredRoute(NamedTuple):
    """One handler of ours: its path with `{parameters}` as OpenAPI writes it, its methods, and what it says."""

    path: str
    methods: frozenset[str]
    handler: BaseRouteHandler
    access: Access | None


def declared_routes(app: Litestar) -> Iterator[DeclaredRoute]:
    """Yield every route; the framework's own OPTIONS answers are left out."""
    for route in app.routes:
        for handler in _handlers(route):
            methods = frozenset(map(str, getattr(handler, "http_methods", {"WEBSOCKET"})))
            if methods != {"OPTIONS"}:
                yield DeclaredRoute(getattr(route, "path_format", route.path), methods, handler, access_of(handler))


def check_declared(app: Litestar) -> None:
    """Refuse to start with a silent route, or one whose limits on parameters would be lost.

    Raises:
        UndeclaredAccess: it lists all of them.
    """
    wrong = [
        f"{'/'.join(sorted(route.methods))} {route.path}"
        for route in declared_routes(app)
        if route.access is None or (route.access.permission is not None and route.access.permission not in PERMISSIONS)
    ]
    if wrong:
        raise UndeclaredAccess(f"say in `opt` who may call {', '.join(wrong)}")
    unheeded = [f"{route.path} {name}" for route in declared_routes(app) for name in _unheeded_limits(route.handler)]
    if unheeded:
        raise UndeclaredAccess(f"put limits into QueryParameter(…), not msgspec.Meta: {', '.join(unheeded)}")


def _unheeded_limits(handler: BaseRouteHandler) -> list[str]:
    fields = handler.parsed_fn_signature.parameters.values()
    return [field.name for field in fields if field.name != "data" and field.has_metadata(msgspec.Meta)]


def _handlers(route: object) -> list[BaseRouteHandler]:
    if isinstance(route, HTTPRoute):
        return list(route.route_handlers)
    if isinstance(route, WebSocketRoute | ASGIRoute):
        return [route.route_handler]
    return []
