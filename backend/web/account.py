"""One's own account."""

from typing import Any

from litestar import Response, get

from backend.identity import service, sessions
from backend.kit.http import CurrentSubject, signed_in
from backend.web.rendering import PageRequest, render


@get("/account", opt=signed_in())
async def account_page(request: PageRequest, subject: CurrentSubject) -> Response[Any]:
    """Name, language, password and sessions."""
    return render(
        request,
        "account.html",
        person=await service.own_account(subject),
        sessions=await sessions.own_sessions(subject),
    )


handlers = [account_page]
