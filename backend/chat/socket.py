"""The conversation over one WebSocket: what its frames mean."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from backend.chat.reading import Reader
from backend.chat.schemas import ChatRequest, MessageText, Seq
from backend.chat.tutor import PERMISSION, Tutor
from backend.errors import PermissionMissing
from backend.identity.sockets import HEARTBEAT_SECONDS, Auth, Heartbeat, PersonSocket
from backend.kit.ratelimit import RequestGate
from backend.kit.sockets import Socket, SocketCount
from backend.kit.subject import Subject
from ops.runtime.ids import ChatSessionId, CourseId, MessageId

ROUTE = "/api/v1/chat/ws"


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask", forbid_unknown_fields=True):
    """Ask a question."""

    message: MessageText
    session_id: ChatSessionId | None = None
    course_id: CourseId | None = None


class Resume(msgspec.Struct, frozen=True, kw_only=True, tag="resume", forbid_unknown_fields=True):
    """Follow an answer from the event after `after`."""

    message_id: MessageId
    after: Seq = 0


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop", forbid_unknown_fields=True):
    """Stop an answer."""

    message_id: MessageId


ClientFrame = Auth | Ask | Resume | Stop | Heartbeat


class ChatSocket(PersonSocket):
    """One signed-in person's socket."""

    route = ROUTE
    decoder = msgspec.json.Decoder(ClientFrame)
    id_field = "message_id"
    followed = "answers"
    max_followed = 8

    def __init__(
        self, socket: Socket, tutor: Tutor, gate: RequestGate, count: SocketCount, draining: asyncio.Event
    ) -> None:
        super().__init__(socket, gate, count, draining)
        self._tutor = tutor

    async def obey(self, subject: Subject, frame: Ask | Resume | Stop) -> None:
        """Ask, resume or stop."""
        if isinstance(frame, Ask):
            await self._ask(subject, frame)
        elif isinstance(frame, Resume):
            await self.limit("reads", subject)
            reader = await self._tutor.follow(subject, frame.message_id, frame.after)
            self.follow(frame.message_id, _frames(frame.message_id, reader))
        else:
            await self.limit("writes", subject)
            await self._tutor.stop(subject, frame.message_id)

    async def _ask(self, subject: Subject, frame: Ask) -> None:
        if not subject.can_anywhere(PERMISSION):
            raise PermissionMissing(PERMISSION)
        await self.limit("questions", subject)
        request = ChatRequest(message=frame.message, session_id=frame.session_id, course_id=frame.course_id)
        turn, reader = await self._tutor.ask(subject, request)
        self.follow(turn.id, _frames(turn.id, reader))


async def _frames(message_id: MessageId, reader: Reader) -> AsyncGenerator[str, None]:
    """Yield an answer's events to the last one. A reader opens nothing before it is first read."""
    try:
        while True:
            for frame in await reader.read(HEARTBEAT_SECONDS):
                yield frame.for_socket(message_id)
                if frame.is_last:
                    return
    finally:
        reader.close()
