"""One answer: generated from numbered passages and checked as it comes, or quoted where no model can be had."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Protocol
from uuid import UUID

import msgspec

from inference_gateway.contract import PERSONAL_SCOPE, AnswerFacts, ChatDelta, ChatRequest, GatewayError
from ops.runtime.ids import CourseId, TenantId, UserId
from rag.answer.check import CitationList, check
from rag.answer.contract import Outcome, Part, Verdict
from rag.answer.evidence import Evidence, gather, question_terms
from rag.answer.notices import notice
from rag.answer.prompt import NOT_IN_MATERIAL, PROMPT_VERSION, build_prompt
from rag.answer.quoting import quote
from rag.answer.sentences import SentenceStream
from rag.retrieve import Retrieval

MAX_PASSAGES = 8
MAX_TOKENS = 512


class ChatStream(Protocol):
    """`GatewayClient.stream_chat`."""

    def __call__(self, request: ChatRequest) -> AsyncIterator[ChatDelta]: ...


class Generator(msgspec.Struct, frozen=True, kw_only=True):
    """A generation model and how to reach it, with the seed that makes an answer repeatable.

    `scope` names what the passages were chosen from, document-set versions included: where it is empty, the gateway keeps no
    answer. `course_id` is whose quota counts beside the person's.
    """

    model: str
    stream: ChatStream
    seed: int
    tenant_id: TenantId
    user_id: UserId
    course_id: CourseId | None = None
    scope: str = ""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked. `searched` is what the passages were found with, where that is more than the question itself;
    `previous` is the question before it, for a model to see what "it" means.
    """

    text: str
    searched: str = ""
    previous: str = ""


async def answer(
    question: Question, retrieval: Retrieval, generator: Generator | None
) -> AsyncGenerator[Part | Outcome, None]:
    """Yield the answer's parts as they are certain, then one outcome.

    A model that cannot be reached, or of whose sentences none may leave, is replaced by quoting. One that breaks off after
    the first part ends the answer there: what was checked stays, and `Outcome.broken` names the fault.
    """
    if generator is None or not retrieval.passages:
        for piece in _quoted(question, retrieval, {}):
            yield piece
        return
    generation = _Generation(question, retrieval, generator)
    async with aclosing(generation.parts()) as parts:
        async for part in parts:
            yield part
    if generation.sent or generation.found_nothing:
        for piece in generation.ending():
            yield piece
        return
    for piece in _quoted(question, retrieval, {"instead_of": generation.record()}):
        yield piece


def _quoted(question: Question, retrieval: Retrieval, more: dict[str, Any]) -> Sequence[Part | Outcome]:
    quoted = quote(question.searched or question.text, retrieval.language, retrieval.passages, retrieval.model)
    outcome = msgspec.structs.replace(quoted.outcome, record={**quoted.outcome.record, **more})
    return [*quoted.parts, outcome]


class _Generation:
    """The state of one generated answer."""

    def __init__(self, question: Question, retrieval: Retrieval, generator: Generator) -> None:
        self.sent = 0
        self.dropped = 0
        self.found_nothing = False
        self.broken: str | None = None
        self._question = question
        self._language = retrieval.language
        self._generator = generator
        self._evidence: list[Evidence] = gather(
            retrieval.passages[:MAX_PASSAGES],
            question_terms(question.searched or question.text, retrieval.language),
        )
        self._citations = CitationList()
        self._raw = ""
        self._facts = AnswerFacts()

    async def parts(self) -> AsyncGenerator[Part, None]:
        """Yield the sentences that may leave; an end by error is kept in `broken`."""
        sentences = SentenceStream(self._language)
        try:
            async with aclosing(self._generator.stream(self._request())) as deltas:  # type: ignore[type-var]  # a generator
                async for delta in deltas:
                    self._facts = delta.facts or self._facts
                    self._raw = (self._raw + delta.text)[: 2 * len(NOT_IN_MATERIAL)]
                    for part in self._checked(sentences.feed(delta.text)):
                        yield part
                    if delta.finish_reason == "length":
                        self.broken = "length"
        except GatewayError as error:
            self.broken = error.code
        if self.broken is None:
            for part in self._checked(sentences.rest()):
                yield part
        self.found_nothing = not self.sent and self._raw.strip().startswith(NOT_IN_MATERIAL)

    def ending(self) -> Sequence[Part | Outcome]:
        """Return what comes after the last sentence."""
        if not self.sent:
            nothing = Part(text=notice("not_in_material", self._language))
            return [nothing, Outcome(verdict="not_in_material", degraded=False, record=self.record())]
        verdict: Verdict = "partly" if self.dropped or self.broken else "answered"
        return [Outcome(verdict=verdict, degraded=False, broken=self.broken, record=self.record())]

    def record(self) -> dict[str, Any]:
        """Return what is needed to run the generation again, and how it went."""
        return {
            "by": "generation",
            "model": self._generator.model,
            "answered_by": self._facts.model,
            "lesser_model": self._facts.degraded,
            "cache": self._facts.cache,
            "prompt_version": PROMPT_VERSION,
            "seed": self._generator.seed,
            "passages": [str(item.passage.passage_id) for item in self._evidence],
            "sentences_sent": self.sent,
            "sentences_dropped": self.dropped,
            "broken": self.broken,
        }

    def _checked(self, finished: Sequence[str]) -> Sequence[Part]:
        parts = []
        for sentence in finished:
            if sentence.strip().strip(".") == NOT_IN_MATERIAL:
                continue
            checked = check(sentence, self._language, self._evidence)
            if checked is None:
                self.dropped += 1
                continue
            part = self._citations.add(checked)
            parts.append(msgspec.structs.replace(part, text=f" {part.text}") if self.sent else part)
            self.sent += 1
        return parts

    def _request(self) -> ChatRequest:
        generator = self._generator
        return ChatRequest(
            messages=build_prompt(
                self._question.text, self._language, self._evidence, previous_question=self._question.previous
            ),
            max_tokens=MAX_TOKENS,
            seed=generator.seed,
            model=generator.model,
            tenant_id=generator.tenant_id,
            user_id=generator.user_id,
            course_id=generator.course_id,
            cache_scope=self._cache_scope(),
            cache_documents=self._documents(),
        )

    def _cache_scope(self) -> str:
        """An answer that leans on what the person asked before is nobody else's."""
        scope = self._generator.scope
        if not scope:
            return ""
        personal = PERSONAL_SCOPE if self._question.previous else ""
        return f"{personal}{PROMPT_VERSION}:{scope}"

    def _documents(self) -> tuple[UUID, ...]:
        return tuple(sorted({item.passage.document_id for item in self._evidence}))
