"""When the socket is closed from our side, with the clock and the other end in the test's hands."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pytest

from backend.chat.events import Delta, Frame, encode
from backend.chat.socket import ChatSocket
from backend.errors import AuthenticationRequired
from backend.identity import sockets
from backend.kit import sockets as counts
from backend.kit.permissions import BUILTIN_ROLES
from backend.kit.ratelimit import RateLimits, RequestGate
from backend.kit.sockets import Closed, Gone, SocketCount
from backend.kit.subject import GrantedPermissions, Subject
from ops.runtime.ids import MessageId, SessionId, TenantId, UserId

AUTH = json.dumps({"type": "auth", "token": "t"})
PERSON = Subject(
    tenant_id=TenantId(UUID(int=1)),
    user_id=UserId(UUID(int=2)),
    session_id=SessionId(UUID(int=3)),
    grants=(GrantedPermissions(permissions=BUILTIN_ROLES["admin"]),),
)


class OtherEnd:
    """The other end of a socket: says its lines, then is silent or leaves."""

    def __init__(self, *lines: str, leaves: bool = False, reads: bool = True) -> None:
        self.heard: list[dict[str, Any]] = []
        self._lines = list(lines)
        self._leaves = leaves
        self._reads = reads

    async def receive(self) -> str:
        if self._lines:
            return self._lines.pop(0)
        if self._leaves:
            raise Gone
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, text: str) -> None:
        self.heard.append(json.loads(text))
        if not self._reads and len(self.heard) > 1:
            await asyncio.Event().wait()


class Endless:
    """A reader that always has more."""

    def __init__(self) -> None:
        self.seq = 0
        self.is_closed = False

    async def read(self, timeout_seconds: float) -> list[Frame]:
        self.seq += 1
        await asyncio.sleep(0)
        return [encode(self.seq, Delta(text="more "))]

    def close(self) -> None:
        self.is_closed = True


class OneAnswer:
    """A tutor that gives one endless answer to whoever asks."""

    def __init__(self) -> None:
        self.reader = Endless()

    async def ask(self, subject: Subject, request: Any) -> Any:
        return SimpleNamespace(id=MessageId(UUID(int=7))), self.reader


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    async def signs_in(_: Any) -> Subject:
        return PERSON

    monkeypatch.setattr(sockets, "authenticate_socket", signs_in)
    monkeypatch.setattr(sockets, "authenticate_again", signs_in)
    for name in ("AUTH_SECONDS", "HEARTBEAT_SECONDS", "SEND_SECONDS"):
        monkeypatch.setattr(sockets, name, 0.05)


async def serve(
    end: OtherEnd, *, tutor: Any = None, draining: asyncio.Event | None = None, **limits: int
) -> Closed | None:
    gate = RequestGate(None, RateLimits(**limits))
    served = ChatSocket(end, tutor or OneAnswer(), gate, SocketCount(), draining or asyncio.Event())
    async with asyncio.timeout(10):
        return await served.run()


def code(closed: Closed | None) -> int | None:
    return closed.code if closed else None


async def test_whoever_says_nothing_is_sent_away() -> None:
    end = OtherEnd()
    assert code(await serve(end)) == 4401
    assert [frame["problem"]["type"] for frame in end.heard] == ["/problems/authentication-required"]


async def test_only_so_many_may_be_about_to_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "MAX_SOCKETS_SIGNING_IN", 2)
    count = SocketCount()
    gate = RequestGate(None, RateLimits())
    ends = [OtherEnd() for _ in range(3)]
    silent = [ChatSocket(end, OneAnswer(), gate, count, asyncio.Event()).run() for end in ends]
    assert [code(closed) for closed in await asyncio.gather(*silent)] == [4401, 4401, 4429]
    assert ends[2].heard[0]["problem"]["type"] == "/problems/rate-limited"
    assert code(await ChatSocket(OtherEnd(), OneAnswer(), gate, count, asyncio.Event()).run()) == 4401


async def test_a_refused_question_is_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals: list[tuple[str, str | None]] = []

    async def note(_: Subject, permission: str, *, method: str | None, route: str | None) -> None:
        refusals.append((permission, route))

    async def nobody(_: Any) -> Subject:
        return msgspec.structs.replace(PERSON, grants=())

    monkeypatch.setattr(sockets, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(sockets, "audit_refusal", note)
    monkeypatch.setattr(sockets, "authenticate_again", nobody)
    end = OtherEnd(AUTH, json.dumps({"type": "ask", "message": "why?"}))
    assert code(await serve(end)) == 4408
    problems = [frame["problem"]["type"] for frame in end.heard if frame["type"] == "problem"]
    assert problems == ["/problems/permission-missing"]
    assert refusals == [("chat.use", "/api/v1/chat/ws")]


async def test_whoever_leaves_is_let_go() -> None:
    assert await serve(OtherEnd(leaves=True)) is None
    assert await serve(OtherEnd(AUTH, leaves=True)) is None


async def test_a_silent_socket_hears_heartbeats_and_is_closed_when_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "IDLE_SECONDS", 0.2)
    end = OtherEnd(AUTH)

    assert code(await serve(end)) == 4408
    assert [frame["type"] for frame in end.heard[:2]] == ["ready", "heartbeat"]


async def test_an_end_that_does_not_read_is_cut_off() -> None:
    tutor = OneAnswer()
    end = OtherEnd(AUTH, json.dumps({"type": "ask", "message": "why?"}), reads=False)

    assert code(await serve(end, tutor=tutor)) == 4429
    assert tutor.reader.is_closed


async def test_too_many_questions_are_told_and_the_socket_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "IDLE_SECONDS", 0.2)
    ask = json.dumps({"type": "ask", "message": "why?"})

    class Busy(OneAnswer):
        async def ask(self, subject: Subject, request: Any) -> Any:
            self.reader = Endless()
            self.reader.read = _nothing  # type: ignore[method-assign]
            return SimpleNamespace(id=MessageId(UUID(int=7))), self.reader

    end = OtherEnd(AUTH, ask, ask, ask)
    assert code(await serve(end, tutor=Busy(), questions=2)) == 4408

    problems = [frame["problem"] for frame in end.heard if frame["type"] == "problem"]
    assert {problem["type"] for problem in problems} == {"/problems/rate-limited"}


async def _nothing(timeout_seconds: float) -> list[Frame]:
    await asyncio.sleep(timeout_seconds)
    return []


async def test_an_ended_session_ends_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: Any) -> Subject:
        raise AuthenticationRequired

    monkeypatch.setattr(sockets, "authenticate_again", refuse)

    assert code(await serve(OtherEnd(AUTH))) == 4401


async def test_a_restart_closes_every_socket() -> None:
    draining = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, draining.set)

    assert code(await serve(OtherEnd(AUTH), draining=draining)) == 1012


async def test_what_nobody_foresaw_is_a_problem_frame_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "IDLE_SECONDS", 0.2)

    class Broken(OneAnswer):
        async def ask(self, subject: Subject, request: Any) -> Any:
            raise ZeroDivisionError

    end = OtherEnd(AUTH, json.dumps({"type": "ask", "message": "why?"}))
    assert code(await serve(end, tutor=Broken())) == 4408
    assert end.heard[1]["problem"]["type"] == "/problems/internal-error"
