"""A small application with the whole edge around it, real servers where a test asks for them, a stand-in for sign-in."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from backend.app import create_app
from backend.errors import AuthenticationRequired
from backend.kit.http import Connection, PageLimit, admit, permission, public, signed_in
from backend.kit.ratelimit import RateLimits, RequestGate
from backend.kit.subject import GrantedPermissions, Subject
from db import query
from db.engine import close_database, open_pool
from ops.runtime.ids import SessionId, TenantId, UserId
from ops.runtime.redis import Redis, open_redis
from ops.runtime.settings import Settings

KEY = base64.b64encode(b"k" * 32).decode()
READER = Subject(
    tenant_id=TenantId(uuid4()),
    user_id=UserId(uuid4()),
    session_id=SessionId(uuid4()),
    grants=(GrantedPermissions(permissions=frozenset({"course.read"})),),
)
PEOPLE = {
    "reader": READER,
    "other": msgspec.structs.replace(READER, user_id=UserId(uuid4())),
    "stranger": msgspec.structs.replace(READER, user_id=UserId(uuid4()), grants=()),
}
BEARER = {"Authorization": "Bearer reader"}

Title = Annotated[str, msgspec.Meta(min_length=1, max_length=20)]


class Tag(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Title
    weight: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0


class Thing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: Title
    tags: list[Tag] = []
    labels: dict[str, int] = {}
    count: int = 0


@get("/open", opt=public())
async def open_to_all() -> dict[str, str]:
    return {"hello": "world"}


@get("/things", opt=permission("course.read"))
async def list_things(subject: NamedDependency[Subject], limit: PageLimit = 20) -> dict[str, Any]:
    return {"who": subject.user_id, "limit": limit}


@get("/things/{thing_id:uuid}", opt=permission("course.read"))
async def show_thing(thing_id: FromPath[UUID]) -> dict[str, Any]:
    return {"id": thing_id}


@post("/things", opt=permission("course.read"))
async def make_thing(data: JSONBody[Thing]) -> Thing:
    return data


@get("/by-name", opt=permission("course.read"))
async def by_name(name: FromQuery[str], since: FromQuery[datetime | None] = None) -> dict[str, Any]:
    return {"name": name, "since": since}


@get("/me", opt=signed_in())
async def me(subject: NamedDependency[Subject]) -> dict[str, Any]:
    return {"who": subject.user_id}


@get("/secret", opt=permission("audit.read"))
async def secret() -> None:
    return None


@post("/sign-in", opt=public(request_class="sign_ins"))
async def sign_in() -> None:
    return None


HANDLERS: list[Any] = [open_to_all, list_things, show_thing, make_thing, by_name, me, secret, sign_in]


async def stand_in(connection: Connection) -> Subject | None:
    """Sign people in by name: `Authorization: Bearer NAME`, or the session cookie."""
    protection = connection.app.state.protection
    name = connection.headers.get("authorization", "").removeprefix("Bearer ")
    name = name or connection.cookies.get(protection.session_cookie, "")
    if name and name not in PEOPLE:
        raise AuthenticationRequired
    subject = PEOPLE.get(name)
    if subject is not None:
        await admit(connection, subject.user_id.hex)
    return subject


def settings(**changes: Any) -> Settings:
    return Settings(signing_key=KEY, master_key=KEY, service_key=KEY, **changes)


def resources(
    redis_url: str, limits: RateLimits | None, database_url: str
) -> Callable[[State], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def only_what_is_given(state: State) -> AsyncIterator[None]:
        redis = open_redis(redis_url) if redis_url else None
        state.gate = RequestGate(redis, limits or RateLimits(reads=100_000, writes=100_000))
        if database_url:
            await open_pool(database_url)
            await _add_reader()
        yield
        await close_database()
        if redis is not None:
            await redis.aclose()

    return only_what_is_given


async def _add_reader() -> None:
    await query.execute(
        "INSERT INTO tenants (id, slug, name, is_default) VALUES ($1, 'edge', 'Edge', false)", READER.tenant_id
    )
    for subject in PEOPLE.values():
        await query.execute(
            """INSERT INTO users (id, tenant_id, email, email_normalised, display_name, data_key)
               VALUES ($1, $2, $3, $3, 'Somebody', 'x')""",
            subject.user_id,
            subject.tenant_id,
            f"{subject.user_id}@lyceum.example",
        )


def edge_app(
    *extra: Any, redis_url: str = "", database_url: str = "", limits: RateLimits | None = None, **changes: Any
) -> Litestar:
    return create_app(
        settings(**changes),
        authenticate=stand_in,
        resources=resources(redis_url, limits, database_url),
        route_handlers=[*HANDLERS, *extra],
    )


Client = httpx.AsyncClient


@asynccontextmanager
async def serving(app: Any, base_url: str = "http://testserver.local") -> AsyncIterator[Client]:
    """Run the application on the test's own loop, so that requests can overlap."""
    started, stopping = asyncio.Event(), asyncio.Event()
    life = asyncio.create_task(_live(app, started, stopping))
    await asyncio.wait({life, asyncio.ensure_future(started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url) as client:
            yield client
    finally:
        stopping.set()
        await life


async def _live(app: Litestar, started: asyncio.Event, stopping: asyncio.Event) -> None:
    async with app.lifespan():  # entered and left by one task, as its task groups demand
        started.set()
        await stopping.wait()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with serving(edge_app()) as opened:
        yield opened


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    opened = open_redis(valkey_url)
    yield opened
    await opened.aclose()
