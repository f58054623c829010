"""Two api processes on one database and one Redis: what one does counts for the other's next request."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from ops.local.ports import free_port
from ops.runtime.settings import Settings, variable_name
from tests import campus
from tests.api import problem
from tests.processes import START_SECONDS, until
from tests.servers import Database, running_valkey

pytestmark = pytest.mark.long

ROUNDS = 25


@contextmanager
def replica(settings: Settings, log: Path) -> Iterator[httpx.Client]:
    """Run one api process on a port of its own."""
    port = free_port()
    given = {
        variable_name(field): str(value)
        for field in Settings.__struct_fields__
        if field not in ("data_dir", "port") and (value := getattr(settings, field))
    }
    environment = os.environ | given | {"LYCEUM_PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.replica"], env=environment, stderr=output, stdout=output
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            until(lambda: _answers(client, process, log), START_SECONDS, log.read_text)
            yield client
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(client: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return client.get("/api/v1/me").status_code == 401
    except httpx.TransportError:
        return False


@pytest.fixture
def settings(database: Database, valkey_url: str) -> Settings:
    return _settings(database, valkey_url)


def _settings(database: Database, redis_url: str) -> Settings:
    nobody = "http://127.0.0.1:9"
    others = {"gateway_url": nobody, "qdrant_url": nobody, "object_store_url": "memory://", "broker_url": redis_url}
    return campus.settings_for(database.url, redis_url, **others)


def bearer(opened: campus.sessions.OpenedSession) -> dict[str, str]:
    return {"authorization": f"Bearer {opened.tokens().access_token}"}


async def test_logout_and_rights_on_one_count_on_the_other(settings: Settings, tmp_path: Path) -> None:
    async with campus.opened(settings):
        home = await campus.tenant("home")
        admin = await campus.person(home, "ada", "admin", "ops")
        student = await campus.person(home, "sam", "student")
        course = await campus.course(admin, await campus.place(admin, "SCI"), "C1")
        administrator = bearer(await campus.sign_in(admin.user_id))
        sessions = [bearer(await campus.sign_in(student.user_id)) for _ in range(ROUNDS)]
    address, enrolments = f"/api/v1/courses/{course.id}", f"/api/v1/courses/{course.id}/enrolments"
    with replica(settings, tmp_path / "one.log") as one, replica(settings, tmp_path / "two.log") as two:
        for number, session in enumerate(sessions):
            here, there = (one, two) if number % 2 else (two, one)
            assert there.get(address, headers=session).status_code == 404
            made = here.post(enrolments, headers=administrator, json={"user_id": str(student.user_id)})
            assert made.status_code == 201
            assert there.get(address, headers=session).status_code == 200
            assert here.delete(f"{enrolments}/{made.json()['id']}", headers=administrator).status_code == 204
            assert there.get(address, headers=session).status_code == 404
            assert here.get("/api/v1/me", headers=session).status_code == 200
            assert there.post("/api/v1/auth/logout", headers=session).status_code == 204
            problem(here.get("/api/v1/me", headers=session), 401, "session-ended")
            problem(there.get("/api/v1/me", headers=session), 401, "session-ended")


async def test_revocation_outlives_a_restart_of_redis_on_both(database: Database, tmp_path: Path) -> None:
    folder, port, password = tmp_path / "valkey", free_port(), "a-password-for-two-lives"
    with ExitStack() as first_life:
        settings = _settings(database, first_life.enter_context(running_valkey(folder, port, password)).url(0))
        async with campus.opened(settings):
            student = await campus.person(await campus.tenant("home"), "sam", "student")
            gone, kept = [bearer(await campus.sign_in(student.user_id)) for _ in range(2)]
        with replica(settings, tmp_path / "one.log") as one, replica(settings, tmp_path / "two.log") as two:
            for client in (one, two) * 3:
                assert client.get("/api/v1/me", headers=gone).status_code == 200
            first_life.close()
            assert two.get("/api/v1/me", headers=gone).status_code == 200
            assert one.post("/api/v1/auth/logout", headers=gone).status_code == 204
            problem(two.get("/api/v1/me", headers=gone), 401, "session-ended")
            with running_valkey(folder, port, password):
                for client in (two, one) * 10:
                    problem(client.get("/api/v1/me", headers=gone), 401, "session-ended")
                    assert client.get("/api/v1/me", headers=kept).status_code == 200
                    time.sleep(0.15)
