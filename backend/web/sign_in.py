"""The doors: sign in with a password or a one-time link, sign out, language."""

from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromQuery
from litestar.response import Redirect

from backend.errors import AuthenticationRequired
from backend.identity import service, sessions
from backend.identity.controller.auth import origin_of
from backend.identity.errors import LinkRefused, PasswordWeak, SignInFailed, SignInLocked
from backend.identity.schemas import LinkSignIn, Login
from backend.identity.sessions import SESSION_SECONDS, OpenedSession
from backend.kit.http import BrowserProtection, CurrentSubject, public, signed_in
from backend.web.messages import LOCALES, Translator
from backend.web.rendering import PageRequest, reader_locale, remember_locale, render

START: Final = "/courses"
SIGN_IN: Final = public(request_class="sign_ins")
LINK: Final = public(request_class="links")


@get("/", opt=public())
async def start() -> Redirect:
    """Lead to the courses, and from there whoever is not signed in to the door."""
    return Redirect(START, status_code=303)


@get("/sign-in", opt=public())
async def sign_in_page(request: PageRequest, next: FromQuery[str] = START) -> Response[Any]:  # noqa: A002 - the address
    """The door; who is signed in already walks through."""
    target = own_page(next)
    if await _is_signed_in(request):
        return Redirect(target, status_code=303)
    return render(request, "sign_in.html", next=target, email="", failure="")


@post("/sign-in", opt=SIGN_IN, status_code=303)
async def sign_in(request: PageRequest) -> Response[Any]:
    """Sign in and go where the person wanted to."""
    fields = await _fields(request, "email", "password", "next")
    t = Translator(reader_locale(request, None))
    headers = {}
    try:
        opened = await _opened(request, fields["email"], fields["password"])
    except SignInFailed as error:
        failure, status = t("sign_in.failed"), error.status
    except SignInLocked as error:
        seconds = error.retry_after_seconds or 1
        failure, status, headers = _wait(t, seconds), error.status, {"Retry-After": str(seconds)}
    else:
        return _welcome(request, opened, own_page(fields["next"]))
    response = render(
        request, "sign_in.html", status=status, next=own_page(fields["next"]), email=fields["email"], failure=failure
    )
    response.headers.update(headers)
    return response


@get("/sign-in/link", opt=public())
async def link_page(request: PageRequest) -> Response[Any]:
    """The page of a one-time link. The token stands behind `#`: only the browser sees it until the form is sent."""
    return render(request, "sign_in_link.html", token="", failure="", weak="")


@post("/sign-in/link", opt=LINK, status_code=303)
async def sign_in_by_link(request: PageRequest) -> Response[Any]:
    """Sign in with a one-time link and, if given, a new password."""
    fields = await _fields(request, "token", "new_password")
    t = Translator(reader_locale(request, None))
    failure = weak = ""
    try:
        opened = await _opened_by_link(request, fields["token"], fields["new_password"])
    except LinkRefused as error:
        failure, status = t("sign_in.link_refused"), error.status
    except PasswordWeak as error:
        weak, status = error.detail if t.locale == "en" else t("problem.password-weak"), error.status
    else:
        return _welcome(request, opened, START)
    return render(request, "sign_in_link.html", status=status, token=fields["token"], failure=failure, weak=weak)


@post("/sign-out", opt=signed_in(), status_code=204)
async def sign_out(request: PageRequest, subject: CurrentSubject) -> Response[None]:
    """End the session and forget its cookie."""
    await sessions.sign_out(subject)
    response: Response[None] = Response(None, status_code=204)
    response.set_cookie(_session_cookie(request, "", max_age=0))
    return response


@get("/language", opt=public())
async def language(
    to: FromQuery[str] = "",
    next: FromQuery[str] = "/sign-in",  # noqa: A002 - the address
) -> Redirect:
    """Switch the language of whoever is not signed in; others change it in their account."""
    response = Redirect(own_page(next), status_code=303)
    for locale in LOCALES:
        if locale == to:
            remember_locale(response, locale)
    return response


def own_page(target: str) -> str:
    """Return `target` if it is an address of this site, else the start page: a link must not lead elsewhere."""
    if not target.startswith("/") or target.startswith("//") or "\\" in target or not target.isprintable():
        return START
    parts = urlsplit(target)
    return START if parts.scheme or parts.netloc else target


async def _is_signed_in(request: PageRequest) -> bool:
    protection: BrowserProtection = request.app.state.protection
    cookie = request.cookies.get(protection.session_cookie)
    if cookie is None:
        return False
    try:
        await service.authenticate(cookie=cookie)
    except AuthenticationRequired:
        return False
    return True


async def _fields(request: PageRequest, *names: str) -> dict[str, str]:
    form = await request.form()
    return {name: value if isinstance(value := form.get(name, ""), str) else "" for name in names}


async def _opened(request: PageRequest, email: str, password: str) -> OpenedSession:
    try:
        login = msgspec.convert({"email": email, "password": password}, Login)
    except msgspec.ValidationError as error:
        raise SignInFailed from error
    return await service.sign_in(login.email, login.password, origin_of(request), refreshable=False)


async def _opened_by_link(request: PageRequest, token: str, new_password: str) -> OpenedSession:
    try:
        link = msgspec.convert({"token": token, "new_password": new_password or None}, LinkSignIn)
    except msgspec.ValidationError as error:
        raise LinkRefused from error
    return await service.sign_in_by_link(link, origin_of(request), refreshable=False)


def _wait(t: Translator, seconds: int) -> str:
    if seconds < 90:
        return t("sign_in.locked_seconds", count=seconds)
    return t("sign_in.locked_minutes", count=-(-seconds // 60))


def _welcome(request: PageRequest, opened: OpenedSession, target: str) -> Redirect:
    response = Redirect(target, status_code=303)
    response.set_cookie(_session_cookie(request, opened.cookie(), max_age=SESSION_SECONDS))
    return response


def _session_cookie(request: PageRequest, value: str, *, max_age: int) -> Cookie:
    protection: BrowserProtection = request.app.state.protection
    return Cookie(
        key=protection.session_cookie,
        value=value,
        max_age=max_age,
        path="/",
        secure=protection.https,
        httponly=True,
        samesite="lax",
    )


handlers = [start, sign_in_page, sign_in, link_page, sign_in_by_link, sign_out, language]
