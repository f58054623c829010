"""Searching the passages of the courses a person may read."""

import asyncio
import hashlib
import time
from uuid import UUID

import msgspec

from backend.academics.access import readable_course
from backend.academics.errors import CourseNotFound
from backend.academics.service import scope_for
from backend.documents.passages import passages_in_scope
from backend.errors import PermissionMissing
from backend.identity.keys import person_key
from backend.kit.cache import Cache
from backend.kit.subject import Subject
from backend.search.schemas import SearchRequest, SearchResult, SearchResults
from db.unit_of_work import unit_of_work
from ops.runtime.crypto import seal
from ops.runtime.ids import CourseId
from rag.passages import ScopedPassage
from rag.retrieve import GatewayEmbedder, PreparedQuestion, Query, retrieve
from rag.scope import Scope
from rag.store import VectorStore

PERMISSION = "search.use"
CACHE_SECONDS = 600
AUDIT_SEAL = b"audit\x00"


class SearchTools(msgspec.Struct, frozen=True, kw_only=True):
    """What a process searches with."""

    store: VectorStore
    embedder: GatewayEmbedder
    cache: Cache


class _Found(msgspec.Struct, frozen=True, array_like=True):
    """What the cache holds of a result: no text, so that a withdrawn passage cannot come back from it."""

    passage_id: UUID
    score: float


async def search(subject: Subject, request: SearchRequest, tools: SearchTools) -> SearchResults:
    """Return the passages that fit best. The search is an act: without its audit row there is no answer, cached or not.

    Raises:
        CourseNotFound, PermissionMissing: `course_id` is not a course the person may search.
        VectorStoreUnavailable: the index does not answer and the result is not cached.
    """
    started = time.perf_counter()
    if not subject.can_anywhere(PERMISSION):
        raise PermissionMissing(PERMISSION)
    question = PreparedQuestion(request.query, subject.tenant_id, tools.embedder)
    scope = await searchable_scope(subject, request.course_id, PERMISSION)
    found, _ = await asyncio.gather(_find(scope, request, question, tools), _audit(subject, request))
    took_ms = round((time.perf_counter() - started) * 1000, 2)
    return SearchResults(results=[_result(passage, score) for passage, score in found], took_ms=took_ms)


async def searchable_scope(subject: Subject, course_id: CourseId | None, permission: str) -> Scope:
    """Return the courses where the person holds `permission`, or that one course of them.

    Raises:
        CourseNotFound: there is no such course for this person.
        PermissionMissing: they may read the course but not this.
    """
    scope = await scope_for(subject, permission)
    if course_id is None:
        return scope
    narrowed = scope.narrow(course_id)
    if narrowed is None:
        await readable_course(subject, course_id, permission)
        raise CourseNotFound
    return narrowed


async def _find(
    scope: Scope, request: SearchRequest, question: PreparedQuestion, tools: SearchTools
) -> list[tuple[ScopedPassage, float]]:
    name = _cache_name(scope, request, tools.embedder.revision)
    cached = await tools.cache.get(name, list[_Found])
    if cached is not None and len(found := await _still_readable(cached, scope)) == len(cached):
        return found
    query = Query(text=request.query, limit=request.limit)
    retrieval = await retrieve(query, scope, passages_in_scope, tools.store, question)
    if not retrieval.lesser:
        kept = [_Found(item.passage.passage_id, item.score) for item in retrieval.passages]
        await tools.cache.put(_cache_name(scope, request, retrieval.model), kept, CACHE_SECONDS)
    return [(item.passage, item.score) for item in retrieval.passages]


async def _still_readable(cached: list[_Found], scope: Scope) -> list[tuple[ScopedPassage, float]]:
    scores = {item.passage_id: item.score for item in cached}
    return [(passage, scores[passage.passage_id]) for passage in await passages_in_scope(list(scores), scope)]


async def _audit(subject: Subject, request: SearchRequest) -> None:
    sealed = await seal_for_audit(subject, request.query)
    about = {"course_id": request.course_id, "limit": request.limit}
    async with unit_of_work() as uow:
        await uow.audit(subject, "search.performed", about, sealed=sealed)


async def seal_for_audit(subject: Subject, text: str) -> bytes:
    """Seal what a person wrote with the person's key, for the audit row of the act."""
    return seal(await person_key(subject.user_id), text.encode(), AUDIT_SEAL + subject.user_id.bytes)


def _cache_name(scope: Scope, request: SearchRequest, model: str) -> str:
    question = hashlib.sha256(request.query.encode()).hexdigest()
    return f"search:{scope.digest()}:{model}:{request.limit}:{question}"


def _result(passage: ScopedPassage, score: float) -> SearchResult:
    return SearchResult(
        document_id=passage.document_id,
        version=passage.version,
        title=passage.title,
        page=passage.page,
        heading=passage.heading,
        char_start=passage.char_start,
        char_end=passage.char_end,
        text=passage.text,
        score=score,
    )
