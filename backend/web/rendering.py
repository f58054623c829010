"""From a template and a reader to a page: language, frame, navigation."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response
from markupsafe import Markup

from backend.kit.http import BrowserProtection
from backend.kit.subject import Locale, Subject
from backend.web import formats
from backend.web.assets import release_root
from backend.web.messages import LOCALES, Translator, client_messages

FOLDER: Final = Path(__file__).parent
LOCALE_COOKIE: Final = "lyceum_locale"
LOCALE_COOKIE_SECONDS: Final = 365 * 24 * 3600

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
    ("frame.jobs", "/jobs", ("document.write", "ops.read")),
    ("operations.title", "/operations", ("ops.read",)),
    ("models.title", "/models", ("inference.read",)),
    ("frame.academics", "/admin/academics", ("faculty.write", "semester.write", "course.write")),
    ("frame.people", "/admin/people", ("person.read",)),
    ("frame.roles", "/admin/roles", ("person.read",)),
    ("frame.audit", "/admin/audit", ("audit.read",)),
)

# What these open is the whole tenant's: held in one faculty they open no page.
TENANT_WIDE: Final = frozenset({"audit.read", "inference.read", "ops.read"})


@cache
def templates() -> Environment:
    """Return the template environment: everything is escaped, and a name that does not exist is an error."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "size": formats.size,
        "moment": formats.moment,
        "day": formats.day,
        "kind": formats.kind,
        "device": formats.device,
        "reason": formats.reason,
        "span": formats.span,
    }
    return environment


def render(request: PageRequest, template: str, *, status: int = 200, **context: Any) -> Response[str]:
    """Return the page `template` in the reader's language."""
    subject = current_reader(request)
    locale = reader_locale(request, subject)
    protection: BrowserProtection = request.app.state.protection
    html = (
        templates()
        .get_template(template)
        .render(
            t=Translator(locale),
            locale=locale,
            other_locale="ar" if locale == "en" else "en",
            client_messages=_json_block(client_messages(locale)),
            subject=subject,
            csrf_token=protection.csrf_token(subject.session_id) if subject and subject.session_id else "",
            navigation=navigation(subject, request.url.path) if subject else (),
            path=request.url.path,
            address=_address(request),
            static=release_root(),
            **context,
        )
    )
    response = Response(html, media_type=MediaType.HTML, status_code=status, headers={"Cache-Control": "no-store"})
    if subject is not None and request.cookies.get(LOCALE_COOKIE) != locale:
        remember_locale(response, locale)  # the sign-in page keeps the language of who was here last
    return response


def remember_locale(response: Response[Any], locale: Locale) -> None:
    """Let pages without a signed-in reader keep this language."""
    response.set_cookie(LOCALE_COOKIE, locale, max_age=LOCALE_COOKIE_SECONDS, httponly=True, samesite="lax")


def current_reader(request: PageRequest) -> Subject | None:
    """Return who is signed in, behind a route that asked for it."""
    subject = request.scope.get("user")
    return subject if isinstance(subject, Subject) else None


def reader_locale(request: PageRequest, subject: Subject | None) -> Locale:
    """Return the person's language, else what the sign-in page was switched to, else what the browser prefers."""
    if subject is not None:
        return subject.locale
    chosen = request.cookies.get(LOCALE_COOKIE)
    for locale in LOCALES:
        if locale == chosen:
            return locale
    return "ar" if request.headers.get("accept-language", "").lower().startswith("ar") else "en"


def navigation(subject: Subject, path: str) -> list[NavigationItem]:
    """Return the entries the person may follow."""
    return [
        NavigationItem(label, href, path == href or path.startswith(f"{href}/"))
        for label, href, permissions in NAVIGATION
        if not permissions or any(_opens(subject, permission) for permission in permissions)
    ]


def _opens(subject: Subject, permission: str) -> bool:
    return subject.can(permission) if permission in TENANT_WIDE else subject.can_anywhere(permission)


def _address(request: PageRequest) -> str:
    """Return where the reader is, for links that lead back."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _json_block(value: object) -> Markup:
    """Return JSON that may stand inside a `script` element of a data type."""
    return Markup(msgspec.json.encode(value).decode().replace("<", "\\u003c"))  # noqa: S704 - `<` is the one way out
