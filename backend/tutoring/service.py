"""Writes a text for one learner through the gateway."""

from contextlib import aclosing

import msgspec

from backend.chat.errors import GenerationBroken
from backend.chat.generation import WatchedGeneration
from backend.kit.subject import Subject
from backend.search.service import seal_for_audit
from backend.tutoring.errors import GenerationNotPossible, GenerationRefused, PromptRefused, QuotaUsedUp
from backend.tutoring.prompt import PROMPT_VERSION, build_prompt
from backend.tutoring.schemas import GeneratedText, GenerateRequest, TokenUsage
from db.unit_of_work import unit_of_work
from inference_gateway.client import GatewayClient
from inference_gateway.contract import PERSONAL_SCOPE, AnswerFacts, ChatDelta, ChatRequest
from inference_gateway.errors import (
    GatewayError,
    GenerationUnavailable,
    QuotaExhausted,
    RequestRefused,
    UpstreamBroken,
)
from rag.answer import notice
from rag.guard import screen
from rag.language import detect

PERMISSION = "chat.use"
SEED = 0
RETRY_SECONDS = 30
QUOTA_RETRY_SECONDS = 60


async def generate(
    subject: Subject, request: GenerateRequest, gateway: GatewayClient
) -> tuple[GeneratedText, AnswerFacts]:
    """Return the text and the gateway's facts about it. The prompt is an act: without its audit row there is no text.

    Raises:
        PermissionMissing
        PromptRefused, GenerationRefused: the guard, or the model, does not take it.
        QuotaUsedUp: before the first token; one that is used up later cuts the text.
        GenerationNotPossible: there is no model, or none answers. GenerationBroken: it broke off.
        GatewayError: the gateway is away or has too much to do.
    """
    subject.require_somewhere(PERMISSION)
    language = detect(request.prompt)
    await _audit(subject, request)
    for written in (request.prompt, request.subject):
        refusal = screen(written) if written else None
        if refusal is not None:
            raise PromptRefused(notice(refusal, subject.locale))
    try:
        deltas = await _deltas(WatchedGeneration(gateway), _chat(subject, request, language))
    except GatewayError as error:
        raise _told(error) from error
    return _written(deltas, language)


async def _deltas(generation: WatchedGeneration, chat: ChatRequest) -> list[ChatDelta]:
    """Return all pieces; a quota that is used up after the first one ends the text there."""
    deltas: list[ChatDelta] = []
    try:
        async with aclosing(generation(chat)) as stream:
            async for delta in stream:
                deltas.append(delta)  # noqa: PERF401 - what came before an error counts
    except QuotaExhausted:
        if not any(delta.text for delta in deltas):
            raise
        deltas.append(ChatDelta(finish_reason="length"))
    return deltas


def _told(error: GatewayError) -> Exception:
    """Return what the caller is told; what concerns the gateway itself the mapper of all errors knows."""
    wait = error.retry_after_seconds
    if isinstance(error, QuotaExhausted):
        return QuotaUsedUp(retry_after_seconds=wait or QUOTA_RETRY_SECONDS)
    if isinstance(error, GenerationUnavailable):
        return GenerationNotPossible(retry_after_seconds=wait or RETRY_SECONDS)
    if isinstance(error, UpstreamBroken):
        return GenerationBroken("The generation model broke off; ask again.")
    return GenerationRefused(error.detail) if isinstance(error, RequestRefused) else error


def _chat(subject: Subject, request: GenerateRequest, language: str) -> ChatRequest:
    """What somebody needs to read well is nobody else's: with accommodations the answer is kept for this person alone."""
    personal = PERSONAL_SCOPE if request.accommodations else ""
    return ChatRequest(
        messages=build_prompt(request, language),
        max_tokens=request.max_tokens,
        seed=SEED,
        cache_scope=f"{personal}{PROMPT_VERSION}",
        tenant_id=subject.tenant_id,
        user_id=subject.user_id,
    )


def _written(deltas: list[ChatDelta], language: str) -> tuple[GeneratedText, AnswerFacts]:
    facts = next((delta.facts for delta in deltas if delta.facts is not None), AnswerFacts())
    usage = next((delta.usage for delta in reversed(deltas) if delta.usage is not None), None)
    text = GeneratedText(
        text="".join([delta.text for delta in deltas]),
        model=facts.model,
        degraded=facts.degraded,
        cache=facts.cache,
        finish_reason=next((delta.finish_reason for delta in reversed(deltas) if delta.finish_reason), "stop"),
        usage=TokenUsage(**msgspec.structs.asdict(usage)) if usage is not None else None,
        language=language,
        prompt_version=PROMPT_VERSION,
    )
    return text, facts


async def _audit(subject: Subject, request: GenerateRequest) -> None:
    written = f"{request.subject}\n{request.prompt}" if request.subject else request.prompt
    sealed = await seal_for_audit(subject, written)
    about = {"grade_level": request.grade_level, "max_tokens": request.max_tokens}
    async with unit_of_work() as uow:
        await uow.audit(subject, "text.generated", about, sealed=sealed)
