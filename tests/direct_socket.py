"""A WebSocket client that calls the application directly, in its event loop."""

import asyncio
import json
from typing import Any

ANSWER_SECONDS = 20


class DirectSocket:
    """One open socket."""

    def __init__(self, app: Any, path: str = "/api/v1/chat/ws", origin: str = "") -> None:
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1:8000"), *([(b"origin", origin.encode())] if origin else [])],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
            "subprotocols": [],
            "state": {},
            "extensions": {},
        }
        self._to_app.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(app(scope, self._to_app.get, self._from_app.put))

    async def sign_in(self, token: str) -> None:
        """Send the first frame."""
        assert (await self._from_app.get())["type"] == "websocket.accept"
        await self.send({"type": "auth", "token": token})
        assert await self.frame() == {"type": "ready"}

    async def send(self, frame: dict[str, Any]) -> None:
        await self._to_app.put({"type": "websocket.receive", "text": json.dumps(frame)})

    async def frame(self) -> dict[str, Any]:
        """The next frame that is no heartbeat."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                message = await self._from_app.get()
                assert message["type"] == "websocket.send", message
                frame: dict[str, Any] = json.loads(message["text"])
                if frame["type"] != "heartbeat":
                    return frame

    async def closed(self) -> int:
        """Read to the end and return its code."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while (message := await self._from_app.get())["type"] != "websocket.close":
                assert message["type"] in ("websocket.accept", "websocket.send"), message
        code: int = message["code"]
        return code

    async def ask(self, question: dict[str, Any]) -> list[dict[str, Any]]:
        """Ask and return the frames up to the last, which is `done`, or a `problem` when the question is refused."""
        await self.send({"type": "ask", **question})
        frames = [await self.frame()]
        while frames[-1]["type"] != "done" and "seq" in frames[-1]:
            frames.append(await self.frame())
        return frames

    async def close(self) -> None:
        await self._to_app.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self._task, ANSWER_SECONDS)
