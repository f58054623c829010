"""Service tokens at the door: every route names the purposes it serves, and only `public` ones need none."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from inference_gateway.errors import TokenRefused
from ops.runtime.peers import is_from_this_machine
from ops.runtime.tokens import ServiceClaims, ServiceTokens, TokenExpired, TokenInvalid

PUBLIC = {"public": True}


def purposes(*names: str, open_on_this_machine: bool = False) -> dict[str, Any]:
    """Return the route option that admits tokens made for one of `names`, and, if so told, whoever is on this machine."""
    return {"purposes": names, "open_on_this_machine": open_on_this_machine}


def token_guard(tokens: ServiceTokens) -> Any:
    """Return the guard of the whole application; a route without option is refused to everybody.

    It is a coroutine, because Litestar runs a plain function in a thread.
    """

    async def require_token(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if handler.opt.get("public"):
            return
        if handler.opt.get("open_on_this_machine") and is_from_this_machine(connection.scope):
            return
        accepted: tuple[str, ...] = handler.opt.get("purposes", ())
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenRefused("A service token is needed: Authorization: Bearer …")
        connection.state.claims = _verify(tokens, token.strip(), accepted)

    return require_token


def _verify(tokens: ServiceTokens, token: str, accepted: tuple[str, ...]) -> ServiceClaims:
    for purpose in accepted:
        try:
            return tokens.verify(token, purpose)
        except TokenExpired:
            raise TokenRefused("The service token has ended.") from None
        except TokenInvalid:
            continue
    raise TokenRefused("The service token is not one for this purpose.")
