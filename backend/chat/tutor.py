"""The tutor of a process: takes questions, gives and follows answers, stops them, and ends those nobody gives any more."""

import asyncio
import contextvars
from collections.abc import Sequence
from uuid import UUID

import msgspec

from backend.chat.errors import AnswerFailed, AnswerInterrupted
from backend.chat.events import Cited, Delta, Done, Frame, Status, Trouble, encode_all
from backend.chat.history import conversation, delete_session, events_of, own_turn, read_turns
from backend.chat.hub import StreamHub
from backend.chat.leases import Leases
from backend.chat.live import LiveAnswers
from backend.chat.producer import Producer, TutorTools
from backend.chat.reading import (
    GIVEN_UP_AFTER_SECONDS,
    SLOWEST_ANSWER_SECONDS,
    LocalReader,
    Reader,
    RemoteReader,
    StoredReader,
)
from backend.chat.schemas import Answer, ChatRequest, Conversation, Stage, Stopped
from backend.chat.sealed import StoredPart
from backend.chat.streams import StreamWriter, read_frames, request_stop, silent_seconds
from backend.chat.turns import EndedTurn, OpenTurn, close_turn, open_turn
from backend.errors import PermissionMissing
from backend.kit.subject import Subject
from backend.problems import Problem, problem_document
from db.repositories import chat
from db.repositories.chat import OpenTurnRow, TurnRow
from ops.runtime.context import bind_request, request_id, service_name
from ops.runtime.ids import MessageId, UserId, new_id
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError
from ops.runtime.telemetry import extract_traceparent, inject_traceparent, tracer
from rag.answer import Citation
from rag.answer.sentences import markers
from rag.language import detect

log = get_logger(__name__)

PERMISSION = "chat.use"
DRAIN_SECONDS = 12.0
WAIT_SECONDS = 30.0
RETRY_SECONDS = 5


class Tutor:
    """One per process. Answers are tasks of their own: a reader that goes away ends none."""

    def __init__(self, tools: TutorTools, redis: Redis, blocking: Redis) -> None:
        self._tools = tools
        self._redis = redis
        self._hub = StreamHub(redis, blocking)
        self._live = LiveAnswers()
        self._running: set[asyncio.Task[None]] = set()
        self._leases = Leases(redis, str(new_id()))

    async def ask(self, subject: Subject, request: ChatRequest) -> tuple[OpenTurn, Reader]:
        """Take a question: it is stored and audited when this returns, and its answer has begun. The reader gives the answer.

        Raises:
            PermissionMissing, CourseNotFound, ConversationNotFound, TooManyOpenAnswers
        """
        if not subject.can_anywhere(PERMISSION):
            raise PermissionMissing(PERMISSION)

        async def reap(rows: Sequence[OpenTurnRow]) -> bool:
            return await self.reap(subject, rows)

        turn = await open_turn(subject, request, request_id.get(), reap)
        live = self._live.begin(turn.id)
        producer = Producer(turn, self._tools, live, StreamWriter(self._redis, turn.id), self._leases)
        # The context must be empty: one that is copied from a request could carry its database transaction.
        task = asyncio.get_running_loop().create_task(
            self._produce(turn, producer, service_name.get(), inject_traceparent()), context=contextvars.Context()
        )
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return turn, LocalReader(live, 0)

    async def answer(self, subject: Subject, request: ChatRequest) -> Answer:
        """Take a question and wait for the end of its answer. Whoever stops waiting ends nothing.

        Raises:
            AnswerFailed: nothing could be said. As `ask`.
        """
        _, reader = await self.ask(subject, request)
        problem: Problem | None = None
        while True:
            for event in (frame.event() for frame in await reader.read(WAIT_SECONDS)):
                if isinstance(event, Trouble):
                    problem = event.problem
                elif isinstance(event, Done):
                    if problem is not None and not event.answer.answer:
                        raise AnswerFailed(problem.detail, retry_after_seconds=RETRY_SECONDS)
                    return event.answer

    async def follow(self, subject: Subject, message_id: UUID, after: int) -> Reader:
        """Return a reader of the person's answer from the event after `after`.

        Raises:
            MessageNotFound
        """
        row = await own_turn(subject, message_id)
        live = self._live.get(row.id)
        if row.state != "open":
            return StoredReader(await self._stored(subject, row), after)
        if live is not None:
            return LocalReader(live, after)

        async def ended(give_up: bool) -> Sequence[Frame]:
            now = await own_turn(subject, row.id)
            if now.state == "open" and give_up:
                await self._interrupt(now.id, now.user_id)
                now = await own_turn(subject, row.id)
            return () if now.state == "open" else await self._stored(subject, now)

        return RemoteReader(self._redis, self._hub, row.id, after, ended)

    async def stop(self, subject: Subject, message_id: UUID) -> Stopped:
        """Stop the person's answer; what was said stays. Asking again, or too late, changes nothing.

        Raises:
            MessageNotFound
            RedisError: another process gives the answer and cannot be told.
        """
        row = await own_turn(subject, message_id)
        if row.state != "open":
            return Stopped(message_id=row.id, was_open=False)
        live = self._live.get(row.id)
        if live is not None:
            live.stop_requested.set()
        else:
            await request_stop(self._redis, row.id)
        return Stopped(message_id=row.id, was_open=True)

    async def conversation(self, subject: Subject, session_id: UUID, *, cursor: str | None, limit: int) -> Conversation:
        """Return a conversation with its latest turns; those that nobody gives any more are ended first.

        Raises:
            ConversationNotFound, ValidationFailed
        """
        await self.reap(subject, await chat.open_turns(subject.user_id))
        return await conversation(subject, session_id, cursor=cursor, limit=limit)

    async def delete_session(self, subject: Subject, session_id: UUID) -> None:
        """Delete a conversation and stop what is still said in it.

        Raises:
            ConversationNotFound
        """
        for message_id in await delete_session(subject, session_id):
            if (live := self._live.get(message_id)) is not None:
                live.stop_requested.set()
            else:
                await request_stop(self._redis, message_id)

    async def reap(self, subject: Subject, rows: Sequence[OpenTurnRow]) -> bool:
        """End those open answers whose process is gone; tell whether there were any."""
        ended = False
        for row in rows:
            if self._live.get(row.id) is None and await self._is_abandoned(row):
                ended = await self._interrupt(row.id, subject.user_id) or ended
        return ended

    async def close(self) -> None:
        """Let answers end; after 12 s they are stored as interrupted."""
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._leases.close()
        await self._hub.close()

    async def _produce(self, turn: OpenTurn, producer: Producer, service: str, traceparent: str) -> None:
        service_name.set(service)
        span = tracer(__name__).start_as_current_span("answer", extract_traceparent(traceparent))
        with bind_request(turn.request_id), span:
            try:
                await producer.run()
            except Exception:
                log.exception("answer_failed", message_id=str(turn.id))
            finally:
                self._live.end(turn.id)

    async def _stored(self, subject: Subject, row: TurnRow) -> list[Frame]:
        (turn,) = await read_turns(subject, [row])
        return encode_all(events_of(turn))

    async def _is_abandoned(self, row: OpenTurnRow) -> bool:
        if row.age_seconds < GIVEN_UP_AFTER_SECONDS:
            return False
        try:
            return await silent_seconds(self._redis, row.id) > 0
        except RedisError:
            return row.age_seconds > SLOWEST_ANSWER_SECONDS

    async def _interrupt(self, message_id: MessageId, user_id: UserId) -> bool:
        """Store what readers saw of an answer that nobody gives any more; True for the one process that did it."""
        try:
            frames = await read_frames(self._redis, message_id, 0)
        except RedisError:
            frames = []
        problem = problem_document(AnswerInterrupted("The process that gave this answer is gone."))
        if not await close_turn(message_id, user_id, msgspec.structs.replace(_salvaged(frames), problem=problem)):
            return False
        log.warning("answer_interrupted", message_id=str(message_id), events=len(frames))
        return True


def _salvaged(frames: Sequence[Frame]) -> EndedTurn:
    """Return the answer as far as its stream tells it; whoever gets half of one gets less than was promised."""
    stages: list[Stage] = []
    parts: list[StoredPart] = []
    citations: list[Citation] = []
    for event in (frame.event() for frame in frames):
        if isinstance(event, Status):
            stages.append(event.stage)
        elif isinstance(event, Delta):
            parts.append(StoredPart(event.text, tuple(markers(event.text))))
        elif isinstance(event, Cited):
            view = msgspec.structs.asdict(event.citation)
            del view["withdrawn"]
            citations.append(Citation(**view))
    said = "".join(part.text for part in parts)
    return EndedTurn(
        state="interrupted",
        verdict="partly",
        degraded=True,
        language=detect(said) if said else "",
        parts=parts,
        citations=citations,
        problem=None,
        record={"stages": stages},
    )
