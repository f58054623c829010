"""Another tenant's ids do not exist on the WebSocket either: every id of every frame."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from msgspec.inspect import StructType, UnionType, UUIDType, type_info
from websockets.asyncio.client import connect

from backend.chat.socket import ClientFrame
from tests.contract.api.site import Site

OTHERS = {"ask": {"message": "What stands on sheet 3?"}}
"""What a frame must have beside its id."""


def ids_of_frames() -> Iterator[tuple[str, str]]:
    """Type of the frame and field, of every field that takes an id."""
    for frame in get_args(ClientFrame):
        info = type_info(frame)
        assert isinstance(info, StructType)
        for field in info.fields:
            types = field.type.types if isinstance(field.type, UnionType) else (field.type,)
            if any(isinstance(one, UUIDType) for one in types):
                yield str(info.tag), field.name


@pytest.mark.parametrize(("kind", "name"), [*ids_of_frames()])
async def test_a_foreign_id_in_a_frame_is_404(site: Site, kind: str, name: str) -> None:
    chat = site.chats["admin"][0]
    foreign = {name: chat[name] if name in chat else site.seeds.ids[name]}
    frame = {"type": kind, **OTHERS.get(kind, {}), **foreign}
    told = await _told(site, "stranger", frame)
    assert (told["type"], told.get("problem", {}).get("status")) == ("problem", 404)
    if kind != "stop":  # of an answer that has ended: nothing is told
        assert (await _told(site, "admin", frame))["type"] != "problem"


def test_every_id_is_tried() -> None:
    assert {("ask", "session_id"), ("ask", "course_id"), ("resume", "message_id"), ("stop", "message_id")} == {
        *ids_of_frames()
    }


async def _told(site: Site, role: str, frame: dict[str, Any]) -> dict[str, Any]:
    """The first event after the frame."""
    token = site.headers(role)["Authorization"].removeprefix("Bearer ")
    async with connect(site.base_url.replace("http", "ws") + "/api/v1/chat/ws") as socket:
        await socket.send(json.dumps({"type": "auth", "token": token}))
        assert msgspec.json.decode(await socket.recv()) == {"type": "ready"}
        await socket.send(json.dumps(frame))
        event: dict[str, Any] = msgspec.json.decode(await socket.recv())
        return event
