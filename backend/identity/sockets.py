"""A signed-in person's WebSocket. The first frame signs in; what further frames mean, a subclass says.

Each thing that is followed is forwarded by a task of its own; a socket that is not read by its other end, is silent for
long or asks for too much is closed with the code that says so.
"""

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec

from backend.errors import AuthenticationRequired, InputError, LyceumError, PermissionMissing, RateLimited
from backend.identity.authentication import authenticate_again, authenticate_socket
from backend.identity.errors import SocketFrameInvalid
from backend.kit.pointers import from_message, unstorable
from backend.kit.ratelimit import RequestClass, RequestGate
from backend.kit.refusals import audit_refusal
from backend.kit.sockets import IDLE, NOT_SIGNED_IN, OVERLOADED, RESTARTING, Closed, Gone, Socket, SocketCount, too_many
from backend.kit.subject import Subject
from backend.problems import problem_document, to_error
from db.errors import DatabaseUnavailable

AUTH_SECONDS = 10.0
HEARTBEAT_SECONDS = 20.0
IDLE_SECONDS = 300.0
SEND_SECONDS = 10.0


class Auth(msgspec.Struct, frozen=True, kw_only=True, tag="auth", forbid_unknown_fields=True):
    """Sign in with an access token or a ticket."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag="heartbeat", forbid_unknown_fields=True):
    """Say that the other end is there."""


class PersonSocket(ABC):
    """One person's socket, from its first frame to its end."""

    route: ClassVar[str]
    decoder: ClassVar[msgspec.json.Decoder[Any]]
    """Of all frames the other end may send, `Auth` and `Heartbeat` among them."""
    id_field: ClassVar[str]
    """The field of a frame that tells which of the things followed it is about."""
    followed: ClassVar[str]
    """What is followed, in the plural."""
    max_followed: ClassVar[int]

    def __init__(self, socket: Socket, gate: RequestGate, count: SocketCount, draining: asyncio.Event) -> None:
        self._socket = socket
        self._gate = gate
        self._count = count
        self._draining = draining
        self._sending = asyncio.Lock()
        self._forwards: dict[UUID, asyncio.Task[None]] = {}
        self._ending: asyncio.Future[Closed | Gone] = asyncio.get_running_loop().create_future()
        self._active_at = time.monotonic()

    @abstractmethod
    async def obey(self, subject: Subject, frame: Any) -> None:
        """Do what a frame asks for; whoever asks has the rights of now."""

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
            self._count.enter(subject.user_id)
        except Closed as closed:
            return closed
        except Gone:
            return None
        try:
            return await self._serve(subject)
        finally:
            self._count.leave(subject.user_id)
            for task in list(self._forwards.values()):
                task.cancel()
            await asyncio.gather(*self._forwards.values(), return_exceptions=True)

    async def _sign_in(self) -> Subject:
        try:
            async with asyncio.timeout(AUTH_SECONDS):
                frame = self._decode(await self._socket.receive())
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
            asyncio.create_task(self._ended()),
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
            await self.answering(None, lambda text=text: self._handle(subject, text))  # type: ignore[misc]

    async def _handle(self, subject: Subject, text: str) -> None:
        frame = self._decode(text)
        if isinstance(frame, Heartbeat):
            return
        if isinstance(frame, Auth):
            raise SocketFrameInvalid("The socket is signed in already.")
        subject = await self.again(subject)
        try:
            await self.obey(subject, frame)
        except PermissionMissing as refused:
            await audit_refusal(subject, refused.permission, method="WEBSOCKET", route=self.route)
            raise

    async def limit(self, request_class: RequestClass, subject: Subject) -> None:
        """Count a frame as a request of that class; raises `RateLimited`."""
        admission = await self._gate.admit(request_class, subject.user_id.hex)
        if not admission.allowed:
            raise RateLimited("Slow down a little.", retry_after_seconds=admission.retry_after_seconds)

    async def again(self, subject: Subject) -> Subject:
        """Return the person with the rights of now; a session that was ended ends its sockets too."""
        try:
            return await authenticate_again(subject)
        except LyceumError as error:
            raise Closed(NOT_SIGNED_IN, error.title, error) from error

    def follow(self, about: UUID, frames: AsyncGenerator[str, None]) -> None:
        """Send the frames as they come; a second request for the same thing replaces the first.

        Raises:
            Closed: too much is followed.
        """
        self.unfollow(about)
        if len(self._forwards) >= self.max_followed:
            raise Closed(OVERLOADED, f"too many {self.followed} on one socket", too_many(self.followed))
        task = asyncio.create_task(self._send_frames(about, frames))
        self._forwards[about] = task
        task.add_done_callback(lambda ended: self._forgotten(about, ended))

    def unfollow(self, about: UUID) -> None:
        """Send nothing more about it."""
        before = self._forwards.pop(about, None)
        if before is not None:
            before.cancel()

    def _forgotten(self, about: UUID, task: asyncio.Task[None]) -> None:
        if self._forwards.get(about) is task:
            del self._forwards[about]

    async def _send_frames(self, about: UUID, frames: AsyncGenerator[str, None]) -> None:
        async def forward() -> None:
            async for text in frames:
                await self._send(text)
                self._active_at = time.monotonic()

        async with contextlib.aclosing(frames):
            try:
                await self.answering(about, forward)
            except (Closed, Gone) as ended:
                if not self._ending.done():
                    self._ending.set_result(ended)

    async def answering(self, about: UUID | None, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work; what goes wrong is told in a frame, and the socket stays open."""
        try:
            await work()
        except (Closed, Gone):
            raise
        except Exception as error:  # noqa: BLE001 - as at the edge of HTTP: `to_error` logs what nobody foresaw
            await self._tell(about, error)

    async def _tell(self, about: UUID | None, error: Exception) -> None:
        problem = problem_document(to_error(error))
        frame = {"type": "problem", self.id_field: about, "problem": problem}
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
                await self.again(subject)
            if time.monotonic() - self._active_at >= IDLE_SECONDS:
                raise Closed(IDLE, "idle")
            await self._send('{"type":"heartbeat"}')

    async def _drain(self) -> None:
        await self._draining.wait()
        raise Closed(RESTARTING, "restarting")

    async def _ended(self) -> None:
        raise await self._ending

    def _decode(self, text: str) -> Any:
        try:
            if wrong := unstorable(msgspec.json.decode(text)):
                raise SocketFrameInvalid("The frame holds what cannot be stored.", errors=wrong)
            return self.decoder.decode(text)
        except msgspec.ValidationError as error:
            raise SocketFrameInvalid(
                "The frame does not have the form asked for.", errors=[from_message(str(error))]
            ) from error
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            detail = "The frame is not JSON."
            raise SocketFrameInvalid(detail, errors=[InputError(pointer="", detail=detail)]) from error
