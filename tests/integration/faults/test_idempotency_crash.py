"""A creating request whose process dies between the act's commit and the answer is carried out once, however often repeated."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from backend.kit import idempotency
from backend.kit.subject import Subject
from db import query
from db.acts import TakenKey, taken_key
from db.errors import DatabaseUnavailable
from db.repositories import idempotency as repository
from db.unit_of_work import unit_of_work
from ops.local.command import lyceum_environment
from ops.local.ports import free_port
from ops.runtime.ids import UserId
from ops.runtime.settings import Settings
from tests import api, campus
from tests.api import Api, problem
from tests.processes import until
from tests.servers import Database

pytestmark = pytest.mark.long

FACULTY = {"name": "Faculty of Arts", "code": "ART"}
ROUTE = "/api/v1/faculties"


@pytest.fixture
def settings(database: Database, valkey_url: str) -> Settings:
    nobody = "http://127.0.0.1:9"
    others = {"gateway_url": nobody, "qdrant_url": nobody, "object_store_url": "memory://", "broker_url": valkey_url}
    return campus.settings_for(database.url, valkey_url, port=free_port(), **others)


@asynccontextmanager
async def living(settings: Settings) -> AsyncIterator[Api]:
    """Another process of the same installation."""
    keys = {name: getattr(settings, name) for name in ("signing_key", "master_key", "service_key")}
    async with api.running(settings.database_url, settings.redis_url, **keys) as running:
        yield running


async def killed_while_answering(settings: Settings, log: Path, token: str, key: str) -> None:
    """Send the request to a process that dies after the act."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.faults.dying_api"],
            env=lyceum_environment(settings),
            stdout=output,
            stderr=output,
        )
    base = f"http://127.0.0.1:{settings.port}"
    try:
        await asyncio.to_thread(until, lambda: is_live(base), 60, log.read_text)
        async with httpx.AsyncClient(base_url=base, timeout=20) as client:
            with pytest.raises(httpx.TransportError):
                await client.post(ROUTE, json=FACULTY, headers=headers(token, key))
        assert await asyncio.to_thread(process.wait, 10) == -signal.SIGKILL
    finally:
        process.kill()


def is_live(base: str) -> bool:
    try:
        return httpx.get(f"{base}/health/ready", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def headers(token: str, key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "idempotency-key": key}


async def grow_old(seconds: int) -> None:
    await query.execute(
        "UPDATE idempotency_keys SET created_at = created_at - $1 * interval '1 second'", float(seconds)
    )


async def administrator() -> tuple[Subject, str]:
    subject = await campus.person(await campus.tenant("home"), "head", "admin")
    return subject, (await campus.sign_in(subject.user_id)).tokens().access_token


async def test_repetition_after_a_crash_never_repeats_the_act(settings: Settings, tmp_path: Path) -> None:
    async with campus.opened(settings):
        _, token = await administrator()
    await killed_while_answering(settings, tmp_path / "api.log", token, "key-1")
    async with living(settings) as running:
        faculty_id = await query.fetch_value("SELECT id FROM faculties WHERE code = 'ART'")
        assert faculty_id is not None

        async def again() -> httpx.Response:
            return await running.public.post(ROUTE, json=FACULTY, headers=headers(token, "key-1"))

        soon = problem(await again(), 409, "request-still-running")
        assert soon["detail"]
        for seconds in (repository.ANSWER_SECONDS, 60 * repository.TAKEOVER_MINUTES):
            await grow_old(seconds)
            told = problem(await again(), 409, "request-carried-out")
            assert "faculty.created" in told["detail"]
            assert str(faculty_id) in told["detail"]
        assert await query.fetch_value("SELECT count(*) FROM faculties") == 1
        assert await query.fetch_value("SELECT count(*) FROM audit_log WHERE action = 'faculty.created'") == 1


async def test_crash_before_the_act_lets_a_later_request_take_the_key(settings: Settings) -> None:
    async with living(settings) as running:
        subject, token = await administrator()
        body = msgspec.json.encode(FACULTY)
        await asyncio.create_task(idempotency.begin("key-1", subject.user_id, f"POST {ROUTE}", body))  # and no more

        async def again() -> httpx.Response:
            more = {"content-type": "application/json"}
            return await running.public.post(ROUTE, content=body, headers=headers(token, "key-1") | more)

        problem(await again(), 409, "request-still-running")
        await grow_old(60 * repository.TAKEOVER_MINUTES)
        first = await again()
        assert first.status_code == 201
        assert (await again()).json() == first.json()


async def test_refused_request_leaves_its_key_free(settings: Settings) -> None:
    async with living(settings) as running:
        stranger = await campus.person(await campus.tenant("home"), "sam", "student")
        token = (await campus.sign_in(stranger.user_id)).tokens().access_token
        refused = await running.public.post(ROUTE, json=FACULTY, headers=headers(token, "key-1"))
        problem(refused, 403, "permission-missing")
        assert await query.fetch_value("SELECT count(*) FROM audit_log WHERE action = 'permission.refused'") == 1
        assert await query.fetch_value("SELECT count(*) FROM idempotency_keys") == 0


@pytest.mark.parametrize(("status", "kept"), [(403, False), (503, False), (500, True)])
async def test_what_was_done_outlives_only_a_fault_that_leaves_it_open(
    settings: Settings, status: int, kept: bool
) -> None:
    async with campus.opened(settings):
        subject, _ = await administrator()

        async def fail() -> None:
            pending = await idempotency.begin("key-1", subject.user_id, f"POST {ROUTE}", b"")
            async with unit_of_work() as uow:
                await uow.audit(subject, "faculty.created")
            await pending.record({"type": "http.response.start", "status": status, "headers": []}, nowhere)
            await pending.record({"type": "http.response.body", "body": b""}, nowhere)

        await asyncio.create_task(fail())
        assert await query.fetch_value("SELECT count(*) FROM idempotency_keys") == int(kept)


async def test_act_that_is_rolled_back_is_not_noted(settings: Settings) -> None:
    async with campus.opened(settings):
        subject, _ = await administrator()
        await within_key(subject.user_id, fails=lambda: DatabaseUnavailable("the server went away"))
        assert await query.fetch_value("SELECT act FROM idempotency_keys") is None
        await within_key(subject.user_id, fails=None)
        assert await query.fetch_value("SELECT jsonb_array_length(act) FROM idempotency_keys") == 1


async def within_key(user_id: UserId, *, fails: Callable[[], Exception] | None) -> None:
    """Do an audited act for a request with a key."""

    async def act() -> None:
        taken_key.set(TakenKey(user_id=user_id, route=f"POST {ROUTE}", key="key-1"))
        async with unit_of_work() as uow:
            await uow.audit(None, "test.done")
            if fails is not None:
                raise fails()

    await repository.begin("key-1", user_id, f"POST {ROUTE}", b"hash")
    try:
        await asyncio.create_task(act())
    except DatabaseUnavailable:
        assert fails is not None


async def nowhere(_message: object) -> None:
    """Take an ASGI message."""
