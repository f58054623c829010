"""One document: its pages, its passages, its versions."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath, QueryParameter

from backend.academics.service import readable_course
from backend.documents import reading
from backend.documents.schemas import DocumentView
from backend.documents.service import get_document
from backend.kit.http import CurrentSubject, PageCursor, permission
from backend.kit.http.parameters import MAX_NUMBER
from backend.kit.subject import CourseRef, Subject
from backend.web.rendering import PageRequest, render
from db.repositories.courses import CourseRow
from ops.runtime.ids import DocumentId

PASSAGES_SHOWN = 20
PDF = "application/pdf"
READ = permission("document.read")

Version = Annotated[int | None, QueryParameter(ge=1, le=MAX_NUMBER)]
Number = Annotated[int, QueryParameter(ge=1, le=MAX_NUMBER)]


class DocumentHead(msgspec.Struct, frozen=True, kw_only=True):
    """A document with its course and what the reader may do with it."""

    view: DocumentView
    course: CourseRow
    may_change: bool

    @property
    def id(self) -> DocumentId:
        """The document's id."""
        return self.view.id

    @property
    def has_pages(self) -> bool:
        """Whether its pages can be shown as pictures."""
        return self.view.media_type == PDF and bool(self.view.pages)


@get("/documents/{document_id:uuid}", opt=READ)
async def document_page(
    request: PageRequest, subject: CurrentSubject, document_id: FromPath[DocumentId], page: Number = 1
) -> Response[Any]:
    """A document at one of its pages; one without pages at its first passages."""
    document = await _head(subject, document_id)
    if not document.has_pages:
        return await _passages(request, subject, document, None, None)
    number = min(page, document.view.pages or 1)
    return render(request, "document_pages.html", document=document, page=number)


@get("/documents/{document_id:uuid}/passages", opt=READ)
async def document_passages(
    request: PageRequest,
    subject: CurrentSubject,
    document_id: FromPath[DocumentId],
    version: Version = None,
    cursor: PageCursor = None,
) -> Response[Any]:
    """What search and tutor know of a document."""
    return await _passages(request, subject, await _head(subject, document_id), version, cursor)


@get("/documents/{document_id:uuid}/versions", opt=READ)
async def document_versions(
    request: PageRequest, subject: CurrentSubject, document_id: FromPath[DocumentId]
) -> Response[Any]:
    """The files a document has had, for learners the one they read."""
    return render(request, "document_versions.html", document=await _head(subject, document_id))


async def _passages(
    request: PageRequest, subject: Subject, document: DocumentHead, version: int | None, cursor: str | None
) -> Response[Any]:
    page = await reading.list_chunks(subject, document.id, version=version, cursor=cursor, limit=PASSAGES_SHOWN)
    return render(
        request,
        "document_passages.html",
        document=document,
        version=version,
        passages=page.items,
        next_cursor=page.next_cursor,
    )


async def _head(subject: Subject, document_id: DocumentId) -> DocumentHead:
    view = await get_document(subject, document_id)
    course = await readable_course(subject, view.course_id)
    may_change = subject.can("document.write", CourseRef(course.id, course.faculty_id))
    return DocumentHead(view=view, course=course, may_change=may_change)


handlers = [document_page, document_passages, document_versions]
