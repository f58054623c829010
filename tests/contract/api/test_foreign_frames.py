"""Another tenant's ids do not exist on the WebSockets either: every id of every frame."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from msgspec.inspect import StructType, UnionType, UUIDType, type_info
from websockets.asyncio.client import connect

from backend.chat.socket import ChatSocket
from backend.chat.socket import ClientFrame as ChatFrame
from backend.identity.sockets import PersonSocket
from backend.jobs.socket import ClientFrame as JobFrame
from backend.jobs.socket import JobSocket
from tests.contract.api.site import Site

SOCKETS: dict[type[PersonSocket], Any] = {ChatSocket: ChatFrame, JobSocket: JobFrame}
OTHERS = {"ask": {"message": "What stands on sheet 3?"}}
"""What a frame must have beside its id."""


def ids_of_frames() -> Iterator[tuple[str, str, str]]:
    """Address of the socket, type of the frame and field, of every field that takes an id."""
    for socket, frame in [(socket, frame) for socket, frames in SOCKETS.items() for frame in get_args(frames)]:
        info = type_info(frame)
        assert isinstance(info, StructType)
        for field in info.fields:
            types = field.type.types if isinstance(field.type, UnionType) else (field.type,)
            if any(isinstance(one, UUIDType) for one in types):
                yield socket.route, str(info.tag), field.name


@pytest.mark.parametrize(("route", "kind", "name"), [one for one in ids_of_frames() if one[1] != "unfollow"])
async def test_a_foreign_id_in_a_frame_is_404(site: Site, route: str, kind: str, name: str) -> None:
    chat = site.chats["admin"][0]
    foreign = {name: chat[name] if name in chat else site.seeds.ids[name]}
    frame = {"type": kind, **OTHERS.get(kind, {}), **foreign}
    told = await _told(site, route, "stranger", frame)
    assert (told["type"], told.get("problem", {}).get("status")) == ("problem", 404)
    if kind != "stop":  # of an answer that has ended: nothing is told
        assert (await _told(site, route, "ops" if route == JobSocket.route else "admin", frame))["type"] != "problem"


def test_every_id_is_tried() -> None:
    chat = {("ask", "session_id"), ("ask", "course_id"), ("resume", "message_id"), ("stop", "message_id")}
    jobs = {("follow", "job_id"), ("unfollow", "job_id")}
    assert chat | jobs == {(kind, name) for _, kind, name in ids_of_frames()}


async def test_leaving_a_foreign_job_tells_nothing(site: Site) -> None:
    foreign = {"type": "unfollow", "job_id": site.seeds.ids["job_id"]}
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_told(site, JobSocket.route, "stranger", foreign), 2)


async def _told(site: Site, route: str, role: str, frame: dict[str, Any]) -> dict[str, Any]:
    """The first event after the frame."""
    token = site.headers(role)["Authorization"].removeprefix("Bearer ")
    async with connect(site.base_url.replace("http", "ws") + route) as socket:
        await socket.send(json.dumps({"type": "auth", "token": token}))
        assert msgspec.json.decode(await socket.recv()) == {"type": "ready"}
        await socket.send(json.dumps(frame))
        event: dict[str, Any] = msgspec.json.decode(await socket.recv())
        return event
