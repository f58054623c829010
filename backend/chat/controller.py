"""The routes of the tutor: REST, server-sent events and the WebSocket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Litestar, Request, Response, WebSocket, delete, get, post, websocket
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED, HTTP_204_NO_CONTENT

from backend.chat import history
from backend.chat.answer_cache import AnswerCache
from backend.chat.producer import TutorTools
from backend.chat.schemas import Answer, ChatRequest, Conversation, SessionView, Stopped
from backend.chat.socket import ROUTE, ChatSocket
from backend.chat.sse import event_stream
from backend.chat.tutor import PERMISSION, Tutor
from backend.kit.http import (
    CurrentSubject,
    PageCursor,
    PageLimit,
    QueryNumber,
    begin_unstored,
    own_authentication,
    permission,
    serve_socket,
    signed_in,
)
from backend.kit.pagination import DEFAULT_LIMIT, Page
from backend.kit.sockets import SocketCount
from backend.kit.subject import Subject
from ops.runtime.ids import ChatSessionId, MessageId

AnyRequest = Request[Any, Any, Any]
EVENT_STREAM = "text/event-stream"
LastEventId = Annotated[str | None, HeaderParameter(name="last-event-id", required=False, max_length=20)]


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events after the number asked for; `done` when there will be no more."""

    items: list[msgspec.Raw]
    next_after: int
    done: bool


class ChatController(Controller):
    path = "/api/v1/chat"
    tags = ("chat",)

    @post(
        opt=permission(PERMISSION, request_class="questions", stores_answer=False),
        status_code=HTTP_200_OK,
        responses={200: ResponseSpec(Answer, description="the answer; as text/event-stream its events as they come")},
    )
    async def ask(self, data: JSONBody[ChatRequest], subject: CurrentSubject, request: AnyRequest) -> Response[Any]:
        """Ask the tutor. With `Accept: text/event-stream` the events come at once; `Location` is where to resume.

        Repeated with its `Idempotency-Key`, a question is not asked again: its answer is read as history shows it now, with
        what was withdrawn meanwhile left out. With `text/event-stream` the key has no effect: resume at `Location`.
        """
        tutor: Tutor = request.app.state.tutor
        if not _wants_events(request):
            return await self._whole_answer(tutor, subject, data, request)
        turn, reader = await tutor.ask(subject, data)
        return _stream(request, reader, {"location": self._events(turn.id), "x-session-id": str(turn.session_id)})

    async def _whole_answer(
        self, tutor: Tutor, subject: Subject, data: ChatRequest, request: AnyRequest
    ) -> Response[Answer]:
        earlier = await begin_unstored(request, subject)
        if earlier is None:
            answer = await tutor.answer(subject, data)
            return Response(answer, headers={"location": self._events(answer.message_id)})
        answer = await history.answer(subject, UUID(earlier.split("/")[-2]))
        return Response(answer, headers={"location": earlier, "idempotency-replayed": "true"})

    def _events(self, message_id: MessageId) -> str:
        return f"{self.path}/messages/{message_id}/events"

    @get("/sessions", opt=signed_in())
    async def list_sessions(
        self, subject: CurrentSubject, cursor: PageCursor = None, limit: PageLimit = DEFAULT_LIMIT
    ) -> Page[SessionView]:
        """One's own conversations, the one used last first."""
        return await history.list_sessions(subject, cursor=cursor, limit=limit)

    @get("/sessions/{session_id:uuid}", opt=signed_in())
    async def get_session(
        self,
        subject: CurrentSubject,
        session_id: FromPath[ChatSessionId],
        request: AnyRequest,
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Conversation:
        """One conversation with its latest turns, in order; `cursor` leads to earlier ones."""
        tutor: Tutor = request.app.state.tutor
        return await tutor.conversation(subject, session_id, cursor=cursor, limit=limit)

    @delete("/sessions/{session_id:uuid}", opt=signed_in(), status_code=HTTP_204_NO_CONTENT)
    async def delete_session(
        self, subject: CurrentSubject, session_id: FromPath[ChatSessionId], request: AnyRequest
    ) -> None:
        """Delete a conversation; answers that are still being given stop."""
        tutor: Tutor = request.app.state.tutor
        await tutor.delete_session(subject, session_id)

    @get(
        "/messages/{message_id:uuid}/events",
        opt=signed_in(),
        responses={200: ResponseSpec(EventPage, description="events so far; as text/event-stream to the last one")},
    )
    async def read_events(
        self,
        subject: CurrentSubject,
        message_id: FromPath[MessageId],
        request: AnyRequest,
        after: QueryNumber = 0,
        last_event_id: LastEventId = None,
    ) -> Response[Any]:
        """The events of an answer after number `after` (or `Last-Event-ID`): at once as JSON, or live as they come."""
        if last_event_id and last_event_id.isdigit():
            after = max(after, int(last_event_id))
        tutor: Tutor = request.app.state.tutor
        reader = await tutor.follow(subject, message_id, after)
        if _wants_events(request):
            return _stream(request, reader, {})
        try:
            frames = await reader.read(0)
        finally:
            reader.close()
        done = bool(frames) and frames[-1].is_last
        items = [msgspec.Raw(frame.data) for frame in frames]
        return Response(EventPage(items=items, next_after=frames[-1].seq if frames else after, done=done))

    @post("/messages/{message_id:uuid}/stop", opt=signed_in(stores_answer=False), status_code=HTTP_202_ACCEPTED)
    async def stop(self, subject: CurrentSubject, message_id: FromPath[MessageId], request: AnyRequest) -> Stopped:
        """Stop an answer; what was said stays."""
        tutor: Tutor = request.app.state.tutor
        return await tutor.stop(subject, message_id)


@websocket(ROUTE, opt=own_authentication(PERMISSION))
async def chat_socket(socket: WebSocket[Any, Any, Any]) -> None:
    """Converse with the tutor over one socket; its frames are described in `backend.chat.socket`."""
    state = socket.app.state
    await serve_socket(
        socket, lambda end: ChatSocket(end, state.tutor, state.gate, state.chat_sockets, state.draining).run()
    )


@asynccontextmanager
async def open_tutor(app: Litestar) -> AsyncIterator[None]:
    """Run the tutor as long as the process serves; at its end answers get time to end."""
    state = app.state
    tools = TutorTools(
        store=state.vectors, embedder=state.embedder, gateway=state.gateway, answers=AnswerCache(state.cache)
    )
    state.tutor = Tutor(tools, state.redis, state.redis_blocking)
    state.chat_sockets = SocketCount()
    try:
        yield
    finally:
        await state.tutor.close()


def _wants_events(request: AnyRequest) -> bool:
    return EVENT_STREAM in request.headers.get("accept", "")


def _stream(request: AnyRequest, reader: Any, headers: dict[str, str]) -> Stream:
    draining: asyncio.Event = request.app.state.draining
    return Stream(
        event_stream(reader, draining),
        media_type=EVENT_STREAM,
        headers={"cache-control": "no-store", "x-accel-buffering": "no", **headers},
    )


controllers = [ChatController, chat_socket]
lifespans = [open_tutor]
