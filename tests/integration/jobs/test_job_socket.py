"""Jobs followed over a WebSocket: numbered events from any number on, for those who may see them, from any process."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from backend.identity import rights, sockets
from backend.jobs import reading, watching
from backend.jobs.socket import ROUTE, JobSocket
from backend.kit.subject import Subject
from db.jobs import JobError
from db.repositories import jobs
from db.repositories.identity import tenant_by_slug
from db.unit_of_work import unit_of_work
from ops.local.ports import free_port
from ops.runtime.ids import JobId, new_id
from ops.runtime.settings import Settings
from tests import campus
from tests.api import NO_LIMITS, running
from tests.direct_socket import DirectSocket
from tests.integration.jobs.operating import Scene, operating
from tests.integration.jobs.test_job_table import WORK, Work
from tests.processes import start
from tests.servers import Database

PATIENCE_SECONDS = 20


@pytest.fixture
async def scene(database: Database, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    for module in (reading, watching):
        monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(reading, "RIGHTS_SECONDS", 0.2)
    async with operating(database, valkey_url) as made:
        yield made


@asynccontextmanager
async def following(scene: Scene, who: Subject, *job_ids: JobId, after: int = 0) -> AsyncIterator[DirectSocket]:
    """A signed-in socket that has asked for the jobs."""
    socket = DirectSocket(scene.api.app, ROUTE)
    opened = await campus.sign_in(who.user_id)
    await socket.sign_in(opened.tokens().access_token)
    for job_id in job_ids:
        await socket.send({"type": "follow", "job_id": str(job_id), "after": after})
    yield socket
    await socket.close()


async def happen(job_id: JobId, *, end: bool = False) -> None:
    """One more event of the job; the last with `end`."""
    async with unit_of_work() as uow:
        if end:
            await jobs.bury(uow, job_id, JobError(type="test", detail="over"))
        else:
            await jobs.add_event(uow, job_id, "progress", {"stage": "parsing"})


async def until_over(socket: DirectSocket) -> list[dict[str, Any]]:
    frames = [await socket.frame()]
    while frames[-1]["type"] != "over":
        frames.append(await socket.frame())
    return frames


async def test_events_come_numbered_until_the_job_is_over(scene: Scene) -> None:
    job_id = await scene.one()
    async with following(scene, scene.operator, job_id) as socket:
        await happen(job_id)
        frames = [await socket.frame()]
        await happen(job_id)
        await happen(job_id, end=True)
        frames += await until_over(socket)
    assert {frame["job_id"] for frame in frames} == {str(job_id)}
    *events, over = frames
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events] == ["progress", "progress", "dead"]
    assert over["after"] == len(events)


async def test_they_are_those_of_the_route(scene: Scene) -> None:
    job_id = await scene.one()
    await happen(job_id, end=True)
    client = await scene.api.signed_in(scene.operator)
    items = (await client.get(f"/api/v1/jobs/{job_id}/events")).json()["items"]
    async with following(scene, scene.operator, job_id) as socket:
        assert await until_over(socket) == [
            *({"job_id": str(job_id), **item} for item in items),
            {"type": "over", "job_id": str(job_id), "after": len(items)},
        ]


async def test_whoever_has_read_all_of_it_is_told_so(scene: Scene) -> None:
    job_id = await scene.one()
    await happen(job_id, end=True)
    async with following(scene, scene.operator, job_id, after=1) as socket:
        assert await socket.frame() == {"type": "over", "job_id": str(job_id), "after": 1}


async def test_a_job_left_is_silent_and_others_go_on(scene: Scene) -> None:
    left, kept = await scene.queued("left", "kept")
    await happen(left)
    await happen(kept)
    async with following(scene, scene.operator, left, kept) as socket:
        assert {(await socket.frame())["job_id"] for _ in range(2)} == {str(left), str(kept)}
        await socket.send({"type": "unfollow", "job_id": str(left)})
        await socket.send({"type": "unfollow", "job_id": str(new_id())})
        await socket.send({"type": "follow", "job_id": str(new_id())})
        assert (await socket.frame())["type"] == "problem"  # all that was sent before has been obeyed
        await happen(left)
        await happen(kept, end=True)
        assert {frame["job_id"] for frame in await until_over(socket)} == {str(kept)}


async def test_a_foreign_job_is_a_problem_and_not_the_end(scene: Scene) -> None:
    foreign, of_another_person = await scene.queued("foreign", "of another person")
    home = await tenant_by_slug("home")
    assert home is not None
    student = await campus.person(home, "sam", "student")
    async with following(scene, student, of_another_person) as socket:
        assert (await socket.frame())["problem"]["status"] == 404
    async with following(scene, scene.stranger, foreign, JobId(new_id())) as socket:
        told = [await socket.frame() for _ in range(2)]
        assert [frame["problem"]["type"] for frame in told] == ["/problems/job-not-found"] * 2
        assert told[0]["job_id"] == str(foreign)
        assert "seq" not in told[0]
        await socket.send({"type": "heartbeat"})
        await socket.send({"type": "follow", "job_id": str(new_id())})
        assert (await socket.frame())["type"] == "problem"


async def test_a_right_that_is_lost_ends_the_following(scene: Scene) -> None:
    job_id = await scene.one()
    home = await tenant_by_slug("home")
    assert home is not None
    reader = await campus.person(home, "reader", "ops")
    administrator = await campus.person(home, "ada", "admin", "ops")
    await happen(job_id)
    async with following(scene, reader, job_id) as socket:
        assert (await socket.frame())["seq"] == 1
        for grant in await rights.list_grants(administrator, reader.user_id):
            await rights.take(administrator, reader.user_id, grant.id)
        await happen(job_id)
        while (frame := await socket.frame())["type"] != "problem":
            continue
        assert (frame["job_id"], frame["problem"]["type"]) == (str(job_id), "/problems/job-not-found")


async def test_a_session_that_ends_ends_the_socket(scene: Scene) -> None:
    job_id = await scene.one()
    async with following(scene, scene.operator, job_id) as socket:
        client = await scene.api.signed_in(scene.operator)
        assert (await client.delete("/api/v1/me/sessions")).is_success
        assert await socket.closed() == 4401


async def test_too_many_jobs_on_a_socket_close_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobSocket, "max_followed", 2)
    made = await scene.queued("a", "b", "c")
    async with following(scene, scene.operator, *made) as socket:
        assert await socket.closed() == 4429
    assert not scene.api.app.state.job_watches._watches
    assert not scene.api.app.state.job_sockets.total


async def test_a_silent_socket_is_closed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(sockets, "IDLE_SECONDS", 0.2)
    async with following(scene, scene.operator) as socket:
        assert await socket.closed() == 4408


async def test_frames_are_counted_as_reads(database: Database, valkey_url: str) -> None:
    limits = msgspec.structs.replace(NO_LIMITS, reads=2)
    async with running(database.url, valkey_url, limits=limits) as api:
        operator = await campus.person(await campus.tenant("home"), "oda", "ops")
        async with following(Scene(api, operator, operator, operator), operator, *[JobId(new_id())] * 3) as socket:
            told = [(await socket.frame())["problem"]["type"] for _ in range(3)]
    assert told == ["/problems/job-not-found"] * 2 + ["/problems/rate-limited"]


@pytest.fixture
def replicas(database: Database, valkey_url: str, tmp_path: Path) -> Iterator[tuple[Settings, list[str]]]:
    """The addresses of two api processes of one installation."""
    nobody = "http://127.0.0.1:9"
    others = {"gateway_url": nobody, "qdrant_url": nobody, "object_store_url": f"file://{tmp_path}"}
    settings = campus.settings_for(database.url, valkey_url, broker_url=valkey_url, data_dir=tmp_path, **others)
    with ExitStack() as stack:
        addresses = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            replica = msgspec.structs.replace(settings, port=free_port())
            stack.callback(start("api", replica, folder).stop)
            addresses.append(f"ws://127.0.0.1:{replica.port}{ROUTE}")
        yield settings, addresses


@pytest.mark.long
async def test_another_process_goes_on_where_the_connection_broke(replicas: tuple[Settings, list[str]]) -> None:
    settings, (one, two) = replicas
    async with campus.opened(settings):
        operator = await campus.person(await campus.tenant("home"), "oda", "ops")
        token = (await campus.sign_in(operator.user_id)).tokens().access_token
        async with unit_of_work() as uow:
            job_id = await uow.enqueue(WORK, Work("work"), subject=operator)
        await happen(job_id)
        async with remote(one, token, job_id) as broken:
            seen = [await heard(broken)]
            await happen(job_id)
            seen.append(await heard(broken))
        await happen(job_id)
        async with remote(two, token, job_id, after=seen[-1]["seq"]) as resumed, remote(one, token, job_id) as whole:
            await happen(job_id, end=True)
            rest = await asyncio.gather(remote_until_over(resumed), remote_until_over(whole))
    assert seen + rest[0] == rest[1]
    assert [frame["seq"] for frame in rest[1][:-1]] == list(range(1, len(rest[1])))


async def test_a_foreign_origin_is_refused(scene: Scene) -> None:
    assert await DirectSocket(scene.api.app, ROUTE, origin="https://evil.example").closed() == 4403


@asynccontextmanager
async def remote(url: str, token: str, job_id: JobId, after: int = 0) -> AsyncIterator[ClientConnection]:
    async with connect(url) as socket:
        await socket.send(json.dumps({"type": "auth", "token": token}))
        assert await heard(socket) == {"type": "ready"}
        await socket.send(json.dumps({"type": "follow", "job_id": str(job_id), "after": after}))
        yield socket


async def heard(socket: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_SECONDS))
    return frame


async def remote_until_over(socket: ClientConnection) -> list[dict[str, Any]]:
    frames = [await heard(socket)]
    while frames[-1]["type"] != "over":
        frames.append(await heard(socket))
    return frames
