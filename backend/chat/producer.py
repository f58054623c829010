"""Gives one answer: from the stored question to the stored answer, as a task of the process and not of a request."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from backend.chat.answer_cache import AnswerCache, CachedAnswer
from backend.chat.errors import AnswerInterrupted, GenerationBroken
from backend.chat.events import Cited, Delta, Done, Event, Status, Trouble
from backend.chat.generation import WatchedGeneration
from backend.chat.leases import Leases
from backend.chat.live import LiveAnswer
from backend.chat.schemas import Answer, Stage, TurnState
from backend.chat.sealed import StoredPart
from backend.chat.streams import StreamWriter
from backend.chat.turns import EndedTurn, OpenTurn, citation_view, close_turn
from backend.documents.passages import passages_in_scope
from backend.errors import DependencyUnavailable
from backend.identity.errors import PersonKeyDestroyed
from backend.problems import Problem, problem_document, to_error
from db.errors import DatabaseError
from inference_gateway.client import GatewayClient
from ops.runtime.logging import get_logger
from ops.runtime.telemetry import GoldenSignals
from rag.answer import Citation, Generator, Outcome, Part, Question, Verdict, answer, notice, searched_text
from rag.guard import screen
from rag.language import detect
from rag.retrieve import GatewayEmbedder, Query, retrieve
from rag.store import VectorStore

log = get_logger(__name__)

ANSWERS = GoldenSignals("chat_answers")
PASSAGES = 12
MAX_SECONDS = 180.0
STORE_ATTEMPTS = 3
STORE_RETRY_SECONDS = 0.5
SEED_MASK = 0x7FFF_FFFF
"""Some servers take no larger seed."""


class TutorTools(msgspec.Struct, frozen=True, kw_only=True):
    """What a process answers with."""

    store: VectorStore
    embedder: GatewayEmbedder
    gateway: GatewayClient
    answers: AnswerCache


class Producer:
    """One answer. `run` stores how it ended, whatever happens short of a kill."""

    def __init__(
        self, turn: OpenTurn, tools: TutorTools, live: LiveAnswer, writer: StreamWriter, leases: Leases
    ) -> None:
        self._turn = turn
        self._tools = tools
        self._live = live
        self._writer = writer
        self._leases = leases
        self._language = detect(turn.question)
        self._stages: list[Stage] = []
        self._parts: list[StoredPart] = []
        self._citations: list[Citation] = []
        self._generator: str | None = None
        self._record: dict[str, Any] = {}

    async def run(self) -> None:
        """Give the answer, store it, and only then say that it is done."""
        ANSWERS.started()
        started = time.perf_counter()
        self._leases.hold(self._turn.id, self._live.stop_requested)
        state: TurnState = "failed"
        try:
            ended = await self._ended()
            await self._finish(ended)
            state = ended.state
        except Exception as error:
            await self._break_off(error)
            raise
        finally:
            await self._leases.release(self._turn.id)
            ANSWERS.ended("answer", state, time.perf_counter() - started, failed=state == "failed")

    async def _ended(self) -> EndedTurn:
        work = asyncio.create_task(self._work())
        stop = asyncio.create_task(self._live.stop_requested.wait())
        try:
            await asyncio.wait({work, stop}, timeout=MAX_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()  # type: ignore[union-attr]  # the end is stored before the process goes
            await _cancelled(work)
            return self._cut("interrupted", problem_document(AnswerInterrupted("The server is being restarted.")))
        finally:
            stop.cancel()
        if work.done():
            return self._result(work)
        await _cancelled(work)
        if self._live.stop_requested.is_set():
            return self._cut("stopped", None)
        return self._cut("failed", problem_document(DependencyUnavailable("The tutor")))

    def _result(self, work: asyncio.Task[EndedTurn]) -> EndedTurn:
        try:
            return work.result()
        except Exception as error:  # noqa: BLE001 - whatever it was, the reader is told and the turn is closed; `to_error` logs it
            return self._cut("failed", problem_document(to_error(error)))

    async def _work(self) -> EndedTurn:
        await self._stage("searching")
        if (refusal := screen(self._turn.question)) is not None:
            self._record = {"by": "guard", "refusal": refusal}
            await self._say(Part(text=notice(refusal, self._language)))
            return self._whole("refused", degraded=False)
        searched = searched_text(self._turn.question, self._turn.previous, self._language)
        shared = searched == self._turn.question
        self._generator, models = await self._models()
        if shared and (cached := await self._tools.answers.find(searched, self._turn.scope, models)) is not None:
            return await self._again(cached)
        outcome = await self._answer(searched)
        ended = self._whole(outcome.verdict, degraded=outcome.degraded, broken=outcome.broken)
        if shared and models and outcome.broken is None and not self._record.get("lesser"):
            await self._tools.answers.keep(searched, self._turn.scope, models, self._as_cached(ended))
        return ended

    async def _answer(self, searched: str) -> Outcome:
        query = Query(text=searched, limit=PASSAGES)
        retrieval = await retrieve(query, self._turn.scope, passages_in_scope, self._tools.store, self._tools.embedder)
        retrieval = msgspec.structs.replace(retrieval, language=self._language)
        if retrieval.lesser:
            self._generator = None  # the gateway did not answer for the question's vector: it will not write either
        self._record = {"method": retrieval.method, "embedder": retrieval.model, "lesser": retrieval.lesser}
        if searched != self._turn.question:
            self._record["searched_with_previous_question"] = True
        await self._stage("writing")
        question = Question(text=self._turn.question, searched=searched, previous=self._turn.previous)
        outcome: Outcome | None = None
        async with aclosing(answer(question, retrieval, self._model())) as pieces:
            async for piece in pieces:
                if isinstance(piece, Outcome):
                    outcome = piece
                else:
                    await self._say(piece)
        assert outcome is not None
        self._record |= outcome.record
        return outcome

    async def _again(self, cached: CachedAnswer) -> EndedTurn:
        self._language = cached.language
        self._record = {**cached.record, "cached": True}
        for part in cached.parts:
            await self._say(part)
        return self._whole(cached.verdict, degraded=cached.degraded)

    async def _models(self) -> tuple[str | None, str]:
        """Return the generation model, if there is one, and a name for all models an answer depends on ('' when unknown)."""
        info = await self._tools.embedder.model()
        if info is None:
            return None, ""
        return info.generator, f"{info.revision} {info.generator or ''}"

    def _model(self) -> Generator | None:
        if self._generator is None:
            return None
        return Generator(
            model=self._generator,
            stream=WatchedGeneration(self._tools.gateway),
            seed=_seed(self._turn.question),
            tenant_id=self._turn.tenant_id,
            user_id=self._turn.user_id,
            course_id=self._turn.course_id,
            scope=self._turn.scope.digest(),
        )

    async def _stage(self, stage: Stage) -> None:
        self._stages.append(stage)
        await self._publish([Status(stage=stage)])

    async def _say(self, part: Part) -> None:
        self._parts.append(StoredPart(part.text, part.markers))
        self._citations.extend(part.citations)
        cited = [Cited(citation=citation_view(citation)) for citation in part.citations]
        await self._publish([*cited, Delta(text=part.text)])

    async def _publish(self, events: Sequence[Event]) -> None:
        self._live.append(events)
        await self._writer.write(self._live.frames)

    def _whole(self, verdict: Verdict, *, degraded: bool, broken: str | None = None) -> EndedTurn:
        problem = None if broken is None else problem_document(GenerationBroken())
        return self._end("done", verdict, degraded, problem)

    def _cut(self, state: TurnState, problem: Problem | None) -> EndedTurn:
        return self._end(state, "partly", self._generator is None, problem)

    def _end(self, state: TurnState, verdict: Verdict, degraded: bool, problem: Problem | None) -> EndedTurn:
        return EndedTurn(
            state=state,
            verdict=verdict,
            degraded=degraded,
            language=self._language,
            parts=self._parts,
            citations=self._citations,
            problem=problem,
            record={**self._record, "stages": self._stages},
        )

    def _as_cached(self, ended: EndedTurn) -> CachedAnswer:
        waiting = {citation.marker: citation for citation in ended.citations}
        parts = []
        for part in ended.parts:
            first = tuple(waiting.pop(marker) for marker in part.markers if marker in waiting)
            parts.append(Part(text=part.text, markers=part.markers, citations=first))
        return CachedAnswer(
            parts=parts,
            verdict=ended.verdict,
            degraded=ended.degraded,
            language=ended.language,
            record={name: value for name, value in ended.record.items() if name != "stages"},
        )

    async def _break_off(self, error: Exception) -> None:
        """Tell readers that nothing more comes; the turn stays open in the database until somebody finds it abandoned."""
        await self._tell_end(self._cut("failed", None), problem_document(to_error(error)))

    async def _finish(self, ended: EndedTurn) -> None:
        unstored = await self._store(ended)
        await self._tell_end(ended, ended.problem or unstored)

    async def _tell_end(self, ended: EndedTurn, problem: Problem | None) -> None:
        done = Done(
            answer=Answer(
                session_id=self._turn.session_id,
                message_id=self._turn.id,
                answer="".join(part.text for part in ended.parts),
                verdict=ended.verdict,
                citations=[citation_view(citation) for citation in ended.citations],
                degraded=ended.degraded,
            )
        )
        await self._publish([*([Trouble(problem=problem)] if problem else []), done])

    async def _store(self, ended: EndedTurn) -> Problem | None:
        """Store the ending; return what the reader has to know when it cannot be stored."""
        for attempt in range(STORE_ATTEMPTS):
            try:
                if not await close_turn(self._turn.id, self._turn.user_id, ended):
                    return problem_document(AnswerInterrupted("The answer was given up before it had ended."))
            except PersonKeyDestroyed:
                return problem_document(AnswerInterrupted("The account is gone."))
            except DatabaseError as error:
                log.warning("answer_not_stored", attempt=attempt, error=type(error).__name__)
                await asyncio.sleep(STORE_RETRY_SECONDS)
            else:
                return None
        return problem_document(DependencyUnavailable("The database"))


def _seed(question: str) -> int:
    """The same for the same question, so that its answer can be the same."""
    return int.from_bytes(hashlib.sha256(question.encode()).digest(), "big") & SEED_MASK


async def _cancelled(task: asyncio.Task[EndedTurn]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
