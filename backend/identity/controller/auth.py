"""Signing in and out."""

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_202_ACCEPTED, HTTP_204_NO_CONTENT

from backend.identity import registration, service, sessions
from backend.identity.schemas import (
    LinkSignIn,
    Login,
    Refresh,
    Registration,
    RegistrationReceived,
    TokenPair,
    WebSocketTicket,
)
from backend.identity.sessions import Origin
from backend.kit.http import CurrentSubject, public, signed_in
from db.repositories.people import PersonRow

SIGN_IN = public(request_class="sign_ins")
LINK = public(request_class="links")
WAITING = {
    HTTP_202_ACCEPTED: ResponseSpec(RegistrationReceived, description="an administrator confirms the account first")
}
REFRESH = public(request_class="refreshes")


def origin_of(request: Request[Any, Any, Any]) -> Origin:
    """Return where a sign-in comes from."""
    return Origin(
        user_agent=request.headers.get("user-agent", ""), address=request.client.host if request.client else ""
    )


class AuthController(Controller):
    path = "/api/v1/auth"
    tags = ("identity",)

    @post("/register", opt=SIGN_IN, status_code=HTTP_201_CREATED, responses=WAITING)
    async def register(self, data: JSONBody[Registration]) -> Response[PersonRow]:
        """Make an account of one's own, where the installation allows it.

        Outside development the answer is 202, whether or not the address has an account: a new one waits until an
        administrator enables it and sends a sign-in link to the address. The password is then chosen anew.
        """
        person = await registration.register(data)
        if person is None:
            return Response(RegistrationReceived(), status_code=HTTP_202_ACCEPTED)  # type: ignore[arg-type]
        return Response(person, status_code=HTTP_201_CREATED)

    @post("/login", opt=SIGN_IN, status_code=HTTP_200_OK)
    async def login(self, request: Request[Any, Any, Any], data: JSONBody[Login]) -> TokenPair:
        """Sign in with e-mail address and password."""
        opened = await service.sign_in(data.email, data.password, origin_of(request))
        return opened.tokens()

    @post("/link", opt=LINK, status_code=HTTP_200_OK)
    async def link(self, request: Request[Any, Any, Any], data: JSONBody[LinkSignIn]) -> TokenPair:
        """Sign in with a one-time link, and set a new password if one is given."""
        opened = await service.sign_in_by_link(data, origin_of(request))
        return opened.tokens()

    @post("/refresh", opt=REFRESH, status_code=HTTP_200_OK)
    async def refresh(self, data: JSONBody[Refresh]) -> TokenPair:
        """Exchange a refresh token for its successor and a fresh access token."""
        opened = await sessions.refresh(data.refresh_token)
        return opened.tokens()

    @post("/logout", opt=signed_in(stores_answer=False), status_code=HTTP_204_NO_CONTENT)
    async def logout(self, subject: CurrentSubject) -> None:
        """End the present session."""
        await sessions.sign_out(subject)

    @post("/ws-ticket", opt=signed_in(stores_answer=False), status_code=HTTP_201_CREATED)
    async def ws_ticket(self, subject: CurrentSubject) -> WebSocketTicket:
        """Get a ticket that opens one WebSocket within 30 seconds."""
        return await sessions.issue_ticket(subject)
