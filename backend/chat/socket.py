"""The conversation over one WebSocket: what its frames mean, without the framework that carries them.

The first frame signs in. Each question or resumed answer is forwarded by a task of its own; a socket that is not read by
its other end, is silent for long or asks for too much is closed with the code that says so.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any, Protocol

import msgspec

from backend.chat.errors import SocketFrameInvalid
from backend.chat.reading import Reader
from backend.chat.schemas import ChatRequest, MessageText, Seq
from backend.chat.tutor import PERMISSION, Tutor
from backend.errors import AuthenticationRequired, InputError, LyceumError, PermissionMissing, RateLimited
from backend.identity.authentication import authenticate_again, authenticate_socket
from backend.kit.pointers import from_message, unstorable
from backend.kit.ratelimit import RequestGate
from backend.kit.refusals import audit_refusal
from backend.kit.subject import Subject
from backend.problems import problem_document, to_error
from db.errors import DatabaseUnavailable
from ops.runtime.ids import ChatSessionId, CourseId, MessageId
from ops.runtime.logging import get_logger

log = get_logger(__name__)

AUTH_SECONDS = 10.0
HEARTBEAT_SECONDS = 20.0
IDLE_SECONDS = 300.0
SEND_SECONDS = 10.0
MAX_SOCKETS = 2000
MAX_SOCKETS_PER_PERSON = 16
MAX_SOCKETS_SIGNING_IN = 200
MAX_FORWARDS = 8
RETRY_SECONDS = 30

NOT_SIGNED_IN = 4401
FOREIGN_ORIGIN = 4403
IDLE = 4408
OVERLOADED = 4429
RESTARTING = 1012

ROUTE = "/api/v1/chat/ws"


class Closed(Exception):
    """The socket is to be closed with `code`, after a frame with the `problem` where there is one to tell."""

    def __init__(self, code: int, reason: str, problem: LyceumError | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.problem = problem


class Gone(Exception):
    """The other end has closed the socket."""


class Socket(Protocol):
    """An accepted WebSocket."""

    async def receive(self) -> str:
        """Return the next text frame; raises `Gone`."""
        ...

    async def send(self, text: str) -> None:
        """Send a text frame; raises `Gone`."""
        ...


class Auth(msgspec.Struct, frozen=True, kw_only=True, tag="auth", forbid_unknown_fields=True):
    """Sign in with an access token or a ticket."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


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


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag="heartbeat", forbid_unknown_fields=True):
    """Say that the other end is there."""


ClientFrame = Auth | Ask | Resume | Stop | Heartbeat
_DECODER = msgspec.json.Decoder(ClientFrame)


class SocketCount:
    """How many sockets this process holds, in all and per person."""

    def __init__(self) -> None:
        self.total = 0
        self._signing_in = 0
        self._by_person: dict[Any, int] = {}

    @contextlib.contextmanager
    def signing_in(self) -> Iterator[None]:
        """Count a socket of which nobody knows whose it is; raises `Closed` where there are too many such."""
        if self._signing_in >= MAX_SOCKETS_SIGNING_IN:
            raise Closed(OVERLOADED, "too many sockets that have not signed in", _too_many("sockets"))
        self._signing_in += 1
        try:
            yield
        finally:
            self._signing_in -= 1

    def enter(self, subject: Subject) -> None:
        """Count one more; raises `Closed` where that is too much."""
        mine = self._by_person.get(subject.user_id, 0)
        if self.total >= MAX_SOCKETS or mine >= MAX_SOCKETS_PER_PERSON:
            raise Closed(OVERLOADED, "too many sockets", _too_many("sockets"))
        self.total += 1
        self._by_person[subject.user_id] = mine + 1

    def leave(self, subject: Subject) -> None:
        """Count one less."""
        self.total -= 1
        self._by_person[subject.user_id] -= 1
        if not self._by_person[subject.user_id]:
            del self._by_person[subject.user_id]


class ChatSocket:
    """One signed-in person's socket."""

    def __init__(
        self, socket: Socket, tutor: Tutor, gate: RequestGate, count: SocketCount, draining: asyncio.Event
    ) -> None:
        self._socket = socket
        self._tutor = tutor
        self._gate = gate
        self._count = count
        self._draining = draining
        self._sending = asyncio.Lock()
        self._forwards: dict[MessageId, asyncio.Task[None]] = {}
        self._active_at = time.monotonic()

    async def run(self) -> Closed | None:
        """Serve the socket until it ends; return how to close it, None when the other end has."""
        closed = await self._run()
        if closed is not None and closed.problem is not None:
            with contextlib.suppress(Closed, Gone):
                await self._tell(None, closed.problem)
        return closed

    async def _run(self) -> Closed | None:
        try:
            with self._count.signing_in():
                subject = await self._sign_in()
            self._count.enter(subject)
        except Closed as closed:
            return closed
        except Gone:
            return None
        try:
            return await self._serve(subject)
        finally:
            self._count.leave(subject)
            for task in list(self._forwards.values()):
                task.cancel()
            await asyncio.gather(*self._forwards.values(), return_exceptions=True)

    async def _sign_in(self) -> Subject:
        try:
            async with asyncio.timeout(AUTH_SECONDS):
                frame = _decode(await self._socket.receive())
                if not isinstance(frame, Auth):
                    raise AuthenticationRequired("The first frame must sign in.")
                subject = await authenticate_socket(frame.token)
        except TimeoutError:
            raise Closed(NOT_SIGNED_IN, "nobody signed in", AuthenticationRequired()) from None
        except LyceumError as error:
            raise Closed(NOT_SIGNED_IN, error.title, error) from error
        except DatabaseUnavailable as error:
            await self._tell(None, error)
            raise Closed(RESTARTING, "try again") from error
        await self._send('{"type":"ready"}')
        return subject

    async def _serve(self, subject: Subject) -> Closed | None:
        tasks = [
            asyncio.create_task(self._listen(subject)),
            asyncio.create_task(self._watch(subject)),
            asyncio.create_task(self._drain()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Closed as closed:
            return closed
        except Gone:
            return None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return None

    async def _listen(self, subject: Subject) -> None:
        while True:
            text = await self._socket.receive()
            self._active_at = time.monotonic()
            await self._answering(None, lambda text=text: self._handle(subject, text))  # type: ignore[misc]

    async def _handle(self, subject: Subject, text: str) -> None:
        frame = _decode(text)
        if isinstance(frame, Heartbeat):
            return
        subject = await self._again(subject)
        try:
            await self._obey(subject, frame)
        except PermissionMissing as refused:
            await audit_refusal(subject, refused.permission, method="WEBSOCKET", route=ROUTE)
            raise

    async def _obey(self, subject: Subject, frame: ClientFrame) -> None:
        if isinstance(frame, Ask):
            await self._ask(subject, frame)
        elif isinstance(frame, Resume):
            await self._limit("reads", subject)
            reader = await self._tutor.follow(subject, frame.message_id, frame.after)
            self._forward(frame.message_id, reader)
        elif isinstance(frame, Stop):
            await self._limit("writes", subject)
            await self._tutor.stop(subject, frame.message_id)
        else:
            raise SocketFrameInvalid("The socket is signed in already.")

    async def _ask(self, subject: Subject, frame: Ask) -> None:
        if not subject.can_anywhere(PERMISSION):
            raise PermissionMissing(PERMISSION)
        await self._limit("questions", subject)
        request = ChatRequest(message=frame.message, session_id=frame.session_id, course_id=frame.course_id)
        turn, reader = await self._tutor.ask(subject, request)
        self._forward(turn.id, reader)

    async def _limit(self, request_class: Any, subject: Subject) -> None:
        admission = await self._gate.admit(request_class, subject.user_id.hex)
        if not admission.allowed:
            raise RateLimited("Slow down a little.", retry_after_seconds=admission.retry_after_seconds)

    async def _again(self, subject: Subject) -> Subject:
        """Return the person with the rights of now; a session that was ended ends its sockets too."""
        try:
            return await authenticate_again(subject)
        except LyceumError as error:
            raise Closed(NOT_SIGNED_IN, error.title, error) from error

    def _forward(self, message_id: MessageId, reader: Reader) -> None:
        """Send an answer's events; a second request for the same answer replaces the first."""
        before = self._forwards.pop(message_id, None)
        if before is not None:
            before.cancel()
        if len(self._forwards) >= MAX_FORWARDS:
            reader.close()
            raise Closed(OVERLOADED, "too many answers on one socket", _too_many("answers"))
        task = asyncio.create_task(self._send_events(message_id, reader))
        self._forwards[message_id] = task
        task.add_done_callback(lambda ended: self._forgotten(message_id, ended))

    def _forgotten(self, message_id: MessageId, task: asyncio.Task[None]) -> None:
        if self._forwards.get(message_id) is task:
            del self._forwards[message_id]

    async def _send_events(self, message_id: MessageId, reader: Reader) -> None:
        async def forward() -> None:
            while True:
                for frame in await reader.read(HEARTBEAT_SECONDS):
                    await self._send(frame.for_socket(message_id))
                    self._active_at = time.monotonic()
                    if frame.is_last:
                        return

        try:
            await self._answering(message_id, forward)
        except (Closed, Gone):
            return  # `_listen` and `_watch` see the same
        finally:
            reader.close()

    async def _answering(self, message_id: MessageId | None, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work; what goes wrong is told in a frame, and the socket stays open."""
        try:
            await work()
        except (Closed, Gone):
            raise
        except Exception as error:  # noqa: BLE001 - as at the edge of HTTP: `to_error` logs what nobody foresaw
            await self._tell(message_id, error)

    async def _tell(self, message_id: MessageId | None, error: Exception) -> None:
        problem = problem_document(to_error(error))
        frame = {"type": "problem", "message_id": message_id, "problem": problem}
        await self._send(msgspec.json.encode(frame).decode())

    async def _send(self, text: str) -> None:
        """Send one frame; an end that does not read is cut off before its frames fill the memory."""
        try:
            async with asyncio.timeout(SEND_SECONDS), self._sending:
                await self._socket.send(text)
        except TimeoutError:
            raise Closed(OVERLOADED, "the frames are not read") from None

    async def _watch(self, subject: Subject) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with contextlib.suppress(DatabaseUnavailable):  # nobody can revoke anything then; each frame asks again
                await self._again(subject)
            if time.monotonic() - self._active_at >= IDLE_SECONDS:
                raise Closed(IDLE, "idle")
            await self._send('{"type":"heartbeat"}')

    async def _drain(self) -> None:
        await self._draining.wait()
        raise Closed(RESTARTING, "restarting")


def _too_many(what: str) -> RateLimited:
    return RateLimited(f"Too many {what} are open.", retry_after_seconds=RETRY_SECONDS)


def _decode(text: str) -> ClientFrame:
    try:
        if wrong := unstorable(msgspec.json.decode(text)):
            raise SocketFrameInvalid("The frame holds what cannot be stored.", errors=wrong)
        frame: ClientFrame = _DECODER.decode(text)
    except msgspec.ValidationError as error:
        raise SocketFrameInvalid(
            "The frame does not have the form asked for.", errors=[from_message(str(error))]
        ) from error
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        detail = "The frame is not JSON."
        raise SocketFrameInvalid(detail, errors=[InputError(pointer="", detail=detail)]) from error
    return frame
