"""The WebSocket: signing in, events, resuming anywhere, stopping, closing."""

import asyncio
import json
import time
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.fakes.server import FakeServer
from tests.integration.chat.test_generated_chat import GENES, fresh
from tests.tutoring import Replica, Replicas


async def say(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame))


async def hear(socket: ClientConnection) -> dict[str, Any]:
    while True:
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 30))
        if frame["type"] != "heartbeat":
            return frame


async def to_the_end(socket: ClientConnection) -> list[dict[str, Any]]:
    frames = [await hear(socket)]
    while frames[-1]["type"] != "done":
        frames.append(await hear(socket))
    return frames


async def closed_with(socket: ClientConnection) -> int | None:
    """Read to the end, which may come after a frame with the problem, and return its code."""
    with pytest.raises(ConnectionClosed) as closed:
        while (await hear(socket))["type"] in ("problem", "heartbeat"):
            continue
    return closed.value.rcvd.code if closed.value.rcvd else None


async def test_a_question_is_answered_in_numbered_events(writer: Replica) -> None:
    async with writer.socket("student") as socket:
        await say(socket, type="ask", message=fresh(GENES))
        frames = await to_the_end(socket)

    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    assert {frame["message_id"] for frame in frames} == {frames[-1]["answer"]["message_id"]}
    assert [frame["type"] for frame in frames] == ["status", "status", "citation", "delta", "done"]
    assert "37 genes" in frames[-1]["answer"]["answer"]


async def test_a_ticket_signs_in_once(writer: Replica) -> None:
    ticket = writer["student"].post("/auth/ws-ticket").raise_for_status().json()["ticket"]
    for expected in ({"type": "ready"}, None):
        async with writer.socket() as socket:
            await say(socket, type="auth", token=ticket)
            if expected:
                assert await hear(socket) == expected
            else:
                assert await closed_with(socket) == 4401


@pytest.mark.parametrize(
    "first", ['{"type":"auth","token":"nonsense"}', '{"type":"ask","message":"x"}', "not json", "[]", "{}"]
)
async def test_whoever_does_not_sign_in_is_sent_away(writer: Replica, first: str) -> None:
    async with writer.socket() as socket:
        await socket.send(first)
        assert await closed_with(socket) == 4401


async def test_a_foreign_origin_is_refused(writer: Replica) -> None:
    url = f"{writer.url.replace('http', 'ws')}/api/v1/chat/ws"
    async with connect(url, origin="https://evil.example") as socket:  # type: ignore[arg-type]
        assert await closed_with(socket) == 4403


async def test_wrong_frames_are_told_and_change_nothing(writer: Replica) -> None:
    async with writer.socket("student") as socket:
        for text in (
            "{",
            '{"type":"dance"}',
            '{"type":"ask"}',
            '{"type":"ask","message":"a\\u0000b"}',
            '{"type":"auth","token":"x"}',
        ):
            await socket.send(text)
            frame = await hear(socket)
            assert frame["type"] == "problem", frame
            assert frame["problem"]["type"] == "/problems/socket-frame-invalid"
        await say(socket, type="ask", message=fresh(GENES))
        assert (await to_the_end(socket))[-1]["type"] == "done"


async def test_an_answer_resumes_on_another_process_without_gap_or_repeat(
    writer: Replica, other: Replica, fake_model: FakeServer
) -> None:
    fake_model.seconds_per_piece = 0.2
    async with writer.socket("student") as first:
        await say(first, type="ask", message=fresh(GENES))
        seen = [await hear(first), await hear(first)]
    message_id = seen[0]["message_id"]

    async with other.socket("student") as second:
        await say(second, type="resume", message_id=message_id, after=2)
        rest = await to_the_end(second)
    async with other.socket("student") as third:
        await say(third, type="resume", message_id=message_id, after=0)
        whole = await to_the_end(third)

    assert [frame["seq"] for frame in seen + rest] == list(range(1, len(seen) + len(rest) + 1))
    assert seen + rest == whole


async def test_many_readers_of_one_process_share_its_connection(
    writer: Replica, other: Replica, fake_model: FakeServer
) -> None:
    fake_model.seconds_per_piece = 0.2
    async with writer.socket("student") as first, other.socket("student") as remote:
        await say(first, type="ask", message=fresh(GENES))
        message_id = (await hear(first))["message_id"]
        sockets = [remote, *[await remote_socket(other, "student") for _ in range(5)]]
        for socket in sockets:
            await say(socket, type="resume", message_id=message_id, after=0)
        answers = await asyncio.gather(*(to_the_end(socket) for socket in sockets))
        for socket in sockets[1:]:
            await socket.close()

    assert all(answer == answers[0] for answer in answers)
    assert [frame["seq"] for frame in answers[0]] == list(range(1, len(answers[0]) + 1))


async def remote_socket(replica: Replica, person: str) -> ClientConnection:
    socket = await connect(f"{replica.url.replace('http', 'ws')}/api/v1/chat/ws")
    await say(socket, type="auth", token=replica.school.tokens[person])
    assert await hear(socket) == {"type": "ready"}
    return socket


async def test_a_stop_from_another_process_ends_the_answer(
    writer: Replica, other: Replica, fake_model: FakeServer
) -> None:
    fake_model.seconds_per_piece = 2
    async with writer.socket("student") as first, other.socket("student") as second:
        await say(first, type="ask", message=fresh(GENES))
        message_id = (await hear(first))["message_id"]
        started = time.monotonic()
        await say(second, type="stop", message_id=message_id)
        frames = await to_the_end(first)

    assert time.monotonic() - started < 5
    assert frames[-1]["answer"]["verdict"] == "partly"


@pytest.mark.long
async def test_an_answer_whose_process_was_killed_is_interrupted(
    campus_replicas: Replicas, other: Replica, fake_model: FakeServer
) -> None:
    doomed = await asyncio.to_thread(campus_replicas.start)
    fake_model.seconds_per_piece = 3
    async with doomed.socket("student") as first:
        await say(first, type="ask", message=fresh(GENES))
        seen = [await hear(first), await hear(first)]
        message_id = seen[0]["message_id"]
        async with other.socket("student") as second:
            await say(second, type="resume", message_id=message_id, after=1)
            assert (await hear(second))["seq"] == 2
            doomed.running.kill()
            rest = await to_the_end(second)

    assert [frame["type"] for frame in rest] == ["problem", "done"]
    assert [frame["seq"] for frame in rest] == [3, 4]
    assert rest[0]["problem"]["type"] == "/problems/interrupted"
    session = rest[1]["answer"]["session_id"]
    turns = other["student"].get(f"/chat/sessions/{session}").raise_for_status().json()["turns"]
    assert turns[0]["state"] == "interrupted"


async def test_somebody_elses_answer_does_not_exist(writer: Replica) -> None:
    message_id = writer.ask("student", fresh(GENES))["message_id"]
    async with writer.socket("lecturer") as socket:
        for kind in ("resume", "stop"):
            await say(socket, type=kind, message_id=message_id)
            frame = await hear(socket)
            assert frame["problem"]["type"] == "/problems/message-not-found"


async def test_a_restart_closes_with_1012_and_stores_the_answer(
    campus_replicas: Replicas, other: Replica, fake_model: FakeServer
) -> None:
    going = await asyncio.to_thread(campus_replicas.start)
    fake_model.seconds_per_piece = 0.3
    async with going.socket("student") as socket:
        await say(socket, type="ask", message=fresh(GENES))
        message_id = (await hear(socket))["message_id"]
        await hear(socket)
        going.running.process.terminate()
        assert await closed_with(socket) == 1012
    async with other.socket("student") as second:
        await say(second, type="resume", message_id=message_id, after=0)
        frames = await to_the_end(second)

    assert "37 genes" in frames[-1]["answer"]["answer"]
    assert await asyncio.to_thread(going.running.wait, 30)


async def test_logging_out_ends_the_socket_at_its_next_frame(writer: Replica, campus_replicas: Replicas) -> None:
    import httpx

    ticket = writer["idle"].post("/auth/ws-ticket").raise_for_status().json()["ticket"]
    async with writer.socket() as socket:
        await say(socket, type="auth", token=ticket)
        assert await hear(socket) == {"type": "ready"}
        headers = {"Authorization": f"Bearer {writer.school.tokens['idle']}"}
        async with httpx.AsyncClient(base_url=writer.url, headers=headers) as client:
            assert (await client.post("/api/v1/auth/logout")).status_code == 204
        await say(socket, type="ask", message="genes?")
        assert await closed_with(socket) == 4401


async def test_too_many_sockets_of_one_person_are_refused(writer: Replica) -> None:
    sockets = [await remote_socket(writer, "administrator") for _ in range(16)]
    try:
        async with writer.socket() as socket:
            await say(socket, type="auth", token=writer.school.tokens["administrator"])
            await hear(socket)
            assert await closed_with(socket) == 4429
    finally:
        for socket in sockets:
            await socket.close()
