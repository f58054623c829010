"""The api process: `create_app` puts the parts together, `serve` runs it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import ModuleType
from typing import Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from backend import web
from backend.academics import controller as academics
from backend.audit import controller as audit
from backend.chat import controller as chat
from backend.documents import controller as documents
from backend.identity import controller as identity
from backend.identity.authentication import cache_keys, identify, looked_up, subject_of
from backend.inference import controller as inference
from backend.jobs import controller as jobs
from backend.kit.http import (
    Authenticate,
    BrowserProtection,
    Connection,
    Edge,
    LyceumRequest,
    admit,
    check_declared,
    current_subject,
    guard,
    public,
    record_refusal,
)
from backend.kit.ratelimit import RateLimits
from backend.kit.subject import Subject
from backend.notifications import controller as notifications
from backend.problems import controller as problems
from backend.resources import open_resources
from backend.search import controller as search
from backend.server import run_server
from backend.system import controller as system
from backend.tutoring import controller as tutoring
from ops.runtime.crypto import decode_key
from ops.runtime.settings import Settings

MAX_JSON_BYTES = 1024 * 1024
DESCRIPTION = """Courses, documents, search and a tutor that cites its sources.

Lists come in pages: send `next_cursor` back as `cursor`. A creating request may carry an `Idempotency-Key`; repeated with
the same body it gets the first answer again for 24 hours. Every error is a problem document (RFC 9457) whose `type` is the
address of its explanation. `RateLimit-*` headers tell what is left of a minute's requests.

**WebSockets.** `/api/v1/chat/ws` converses with the tutor, `/api/v1/jobs/ws` follows jobs. The first frame is
`{"type":"auth","token"}` with an access token or a ticket of `POST /auth/ws-ticket`, answered `{"type":"ready"}`. Then
`{"type":"ask","message","session_id?","course_id?"}`, `{"type":"resume","message_id","after?"}` and
`{"type":"stop","message_id"}`, or `{"type":"follow","job_id","after?"}` and `{"type":"unfollow","job_id"}` for up to 50 jobs.
Frames from the server are the numbered events that `/events` gives, plus `message_id` or `job_id`; after a reconnection,
`after` is the number of the last one seen. `{"type":"over","job_id","after"}`: the job has ended, nothing comes after that
number. What goes wrong is `{"type":"problem","problem":{…}}` and leaves the socket open. Both sides may send
`{"type":"heartbeat"}`. Close codes: 4401 not signed in, 4403 foreign origin, 4408 idle for 5 minutes, 4429 too much at once,
1012 restart: come back."""
DOMAINS: tuple[ModuleType, ...] = (
    system,
    problems,
    identity,
    academics,
    documents,
    search,
    chat,
    tutoring,
    inference,
    jobs,
    notifications,
    audit,
    web,
)

Resources = Callable[[State], AbstractAsyncContextManager[None]]


def create_app(
    settings: Settings,
    *,
    limits: RateLimits | None = None,
    authenticate: Authenticate | None = None,
    resources: Resources | None = None,
    route_handlers: list[Any] | None = None,
) -> Litestar:
    """Build the application. Everything after `limits` replaces a part for tests of the edge.

    Raises:
        UndeclaredAccess: a route does not say who may call it.
        KeyInvalid: a key in the settings is not 32 bytes in base64.
    """
    return equip(assemble(route_handlers), settings, limits=limits, authenticate=authenticate, resources=resources)


def assemble(route_handlers: list[Any] | None = None) -> Litestar:
    """Put all routes together, or those given alone; whoever serves it gives it its settings with `equip`."""
    domains = DOMAINS if route_handlers is None else ()
    app = Litestar(
        route_handlers=[*(route_handlers or _each(domains, "controllers")), *web.static_files()],
        lifespan=[_opened, *_each(domains, "lifespans"), _draining],
        guards=[guard],
        after_exception=[record_refusal],
        exception_handlers={Exception: web.respond_to_anybody},
        dependencies={"subject": Provide(provide_subject, sync_to_thread=False)},
        request_class=LyceumRequest,
        request_max_body_size=MAX_JSON_BYTES,
        openapi_config=_openapi_config(),
        logging_config=None,
    )
    check_declared(app)
    return app


def equip(
    app: Litestar,
    settings: Settings,
    *,
    limits: RateLimits | None = None,
    authenticate: Authenticate | None = None,
    resources: Resources | None = None,
) -> Litestar:
    """Give an application that does not run its settings, in place of those it had."""
    app.state = State(
        {
            "settings": settings,
            "draining": asyncio.Event(),
            "authenticate": authenticate or authenticate_request,
            "protection": BrowserProtection(settings, decode_key(settings.signing_key)),
            "resources": resources or partial(open_resources, settings, limits=limits),
        }
    )
    routes = app.asgi_handler.app if isinstance(app.asgi_handler, Edge) else app.asgi_handler
    app.asgi_handler = Edge(routes, settings, app.state.draining)
    return app


async def authenticate_request(connection: Connection) -> Subject:
    """Tell who asks, and count the request against that person's limit, with one round trip to Redis."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    protection: BrowserProtection = connection.app.state.protection
    claimed = identify(
        bearer=token.strip() if scheme.lower() == "bearer" else None,
        cookie=connection.cookies[protection.session_cookie] if protection.signed_by_cookie(connection) else None,
    )
    cached = await admit(connection, claimed.user_id.hex, cache_keys(claimed))
    return await subject_of(claimed, looked_up(cached))


def provide_subject(request: LyceumRequest) -> Subject:
    """Give handlers their `subject`."""
    return current_subject(request)


def serve(settings: Settings) -> None:
    """Run the api in this process until it is told to stop."""
    run_server(create_app(settings), settings)


@asynccontextmanager
async def _opened(app: Litestar) -> AsyncIterator[None]:
    async with app.state.resources(app.state):
        yield


@asynccontextmanager
async def _draining(app: Litestar) -> AsyncIterator[None]:
    """Left first at the end, so that whatever the domains run in the background sees that it must stop."""
    yield
    app.state.draining.set()


def _each(domains: tuple[ModuleType, ...], name: str) -> list[Any]:
    return [item for domain in domains for item in getattr(domain, name, [])]


def _openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Lyceum",
        version="1",
        description=DESCRIPTION,
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
        openapi_router=Router("/schema", route_handlers=[], opt=public(), include_in_schema=False),
    )
