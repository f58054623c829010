"""What every page needs: its language, its frame, and errors shown as pages instead of problem documents.

Pages only read, through the same services as the API. What a person changes goes to the API itself: `static/js/page.js`
sends the forms as JSON with the CSRF token of the page.
"""

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response, Router
from litestar.response import Redirect

from backend.errors import AuthenticationRequired
from backend.kit.http import BrowserProtection
from backend.kit.subject import Locale, Subject
from backend.problems.mapping import problem_document, to_error

FOLDER: Final = Path(__file__).parent
LOCALES: Final[tuple[Locale, ...]] = ("en", "ar")
LOCALE_COOKIE: Final = "lyceum_locale"

PageRequest = Request[Any, Any, Any]


class NavigationItem(msgspec.Struct, frozen=True):
    """One entry of the frame's navigation."""

    label: str
    href: str
    current: bool


# Where each entry leads and the permissions of which one opens it; none: everybody who is signed in.
NAVIGATION: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("frame.courses", "/courses", ()),
    ("frame.chat", "/chat", ("chat.use",)),
    ("frame.people", "/admin/people", ("person.read",)),
    ("frame.academics", "/admin/academics", ("faculty.write", "semester.write", "course.write")),
    ("frame.audit", "/admin/audit", ("audit.read",)),
    ("frame.jobs", "/jobs", ("document.write", "ops.read")),
)


@cache
def catalogue(locale: Locale) -> Mapping[str, str]:
    """Return all messages of a language by dotted key."""
    nested = tomllib.loads((FOLDER / "locales" / f"{locale}.toml").read_text())
    return {f"{group}.{key}": text for group, messages in nested.items() for key, text in messages.items()}


def translator(locale: Locale) -> Callable[..., str]:
    """Return `t(key, **values)`; an unknown key is a fault of the page and raises KeyError."""
    messages = catalogue(locale)

    def translate(key: str, **values: object) -> str:
        text = messages[key]
        return text.format(**values) if values else text

    return translate


@cache
def templates() -> Environment:
    """Return the template environment: everything is escaped, and a name that does not exist is an error."""
    return Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def render(request: PageRequest, template: str, *, status: int = 200, **context: Any) -> Response[str]:
    """Return the page `template` in the reader's language."""
    subject = request.scope.get("user")
    subject = subject if isinstance(subject, Subject) else None
    locale = reader_locale(request, subject)
    protection: BrowserProtection = request.app.state.protection
    html = (
        templates()
        .get_template(template)
        .render(
            t=translator(locale),
            locale=locale,
            other_locale="ar" if locale == "en" else "en",
            subject=subject,
            csrf_token=protection.csrf_token(subject.session_id) if subject and subject.session_id else "",
            navigation=navigation(subject, request.url.path) if subject else (),
            **context,
        )
    )
    return Response(html, media_type=MediaType.HTML, status_code=status, headers={"Cache-Control": "no-store"})


def reader_locale(request: PageRequest, subject: Subject | None) -> Locale:
    """Return the person's language, else what the sign-in page was switched to, else what the browser prefers."""
    if subject is not None:
        return subject.locale
    chosen = request.cookies.get(LOCALE_COOKIE)
    if chosen in LOCALES:
        return chosen
    return "ar" if request.headers.get("accept-language", "").lower().startswith("ar") else "en"


def navigation(subject: Subject, path: str) -> list[NavigationItem]:
    """Return the entries the person may follow."""
    return [
        NavigationItem(label, href, path == href or path.startswith(f"{href}/"))
        for label, href, permissions in NAVIGATION
        if not permissions or any(subject.can_anywhere(permission) for permission in permissions)
    ]


def error_page(request: PageRequest, exception: Exception) -> Response[Any]:
    """Show what went wrong; who is not signed in is led to the sign-in page and back."""
    error = to_error(exception)
    if isinstance(error, AuthenticationRequired):
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Redirect(f"/sign-in?next={quote(target)}", status_code=303)
    problem = problem_document(error)
    return render(request, "error.html", status=error.status, problem=problem)


def pages(*handlers: Any) -> Router:
    """Return a router of pages: not part of the API's description, errors as pages."""
    return Router(
        "/", route_handlers=list(handlers), include_in_schema=False, exception_handlers={Exception: error_page}
    )
