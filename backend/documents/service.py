"""What people do with documents: upload, list, rename, replace, read again, delete."""

from typing import cast
from uuid import UUID

import msgspec

from backend.documents.access import READ, WRITE, open_course, open_document
from backend.documents.errors import DocumentNotFound, IngestionRunning, SameFileElsewhere
from backend.documents.events import DOCUMENT_DELETED, DocumentDeleted
from backend.documents.file_name import title_of
from backend.documents.jobs import INGEST, PRUNE, IngestArgs, PruneArgs
from backend.documents.passages import passages_in_scope
from backend.documents.schemas import Accepted, DocumentPatch, DocumentView, State, UploadForm
from backend.documents.upload import UploadedFile, read_pieces
from backend.documents.views import document_view
from backend.kit.pagination import Page, decode_cursor, page_of
from backend.kit.subject import CourseRef, Subject
from db.errors import UniqueViolation
from db.repositories import documents, jobs
from db.repositories.documents import NewVersion, VersionRow
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import CourseId, DocumentId, FacultyId, JobId, new_id
from ops.runtime.objects import ObjectStore, original_key
from rag.parse import ParseFailure, detect_type

__all__ = [
    "add_version",
    "check_new_version",
    "check_upload",
    "delete_document",
    "get_document",
    "list_documents",
    "passages_in_scope",
    "readable_titles",
    "reingest",
    "rename_document",
    "upload",
]

UNKNOWN_TYPE = "application/octet-stream"
SAME_BYTES = "document_versions_bytes_live"


class _After(msgspec.Struct, frozen=True):
    id: UUID


async def upload(subject: Subject, objects: ObjectStore, form: UploadForm, file: UploadedFile) -> tuple[Accepted, bool]:
    """Store the file and accept its ingestion; the second value is False when the course has these bytes already.

    A file that cannot be read is accepted too: its document ends as `failed` and says why. The same bytes after a failure,
    perhaps under a better name, are tried again.

    Raises:
        CourseNotFound, PermissionMissing: see `open_course`.
    """
    course = await open_course(subject, form.course_id, WRITE)
    if (known := await _known(subject, course, file)) is not None:
        return known
    await _store(subject, objects, file)
    document_id = DocumentId(new_id())
    try:
        async with unit_of_work() as uow:
            await _hold_stored(uow, subject, objects, file)
            title = (form.title or "").strip() or title_of(file.name)
            await documents.add(uow, document_id, subject.tenant_id, course.course_id, title, subject.user_id)
            accepted = await _accept_version(uow, subject, course, document_id, _new_version(subject, file, 1))
    except UniqueViolation as error:
        return await _known_after(error, subject, course, file)
    return accepted, True


async def check_upload(subject: Subject, course_id: UUID) -> None:
    """Tell whether `upload` would be refused, before the file is received.

    Raises:
        CourseNotFound, PermissionMissing: see `open_course`.
    """
    await open_course(subject, course_id, WRITE)


async def check_new_version(subject: Subject, document_id: UUID) -> None:
    """Tell whether `add_version` would be refused, before the file is received.

    Raises:
        DocumentNotFound, PermissionMissing: see `open_document`.
    """
    await open_document(subject, document_id, WRITE)


async def add_version(
    subject: Subject, objects: ObjectStore, document_id: UUID, file: UploadedFile
) -> tuple[Accepted, bool]:
    """Accept a new version; readers see the old one until it is ready. False when the document has these bytes already.

    Raises:
        DocumentNotFound, PermissionMissing: see `open_document`.
        SameFileElsewhere: another document of the course has these bytes.
    """
    row = (await open_document(subject, document_id, WRITE)).row
    course = CourseRef(*_place(row.course_id, row.faculty_id))
    await _refuse_elsewhere(course, file, document_id)
    if (known := await _known(subject, course, file)) is not None:
        return known
    await _store(subject, objects, file)
    try:
        async with unit_of_work() as uow:
            await _hold_stored(uow, subject, objects, file)
            row = (await open_document(subject, document_id, WRITE, lock=True)).row
            new = _new_version(subject, file, row.latest_version + 1)
            return await _accept_version(uow, subject, course, DocumentId(document_id), new), True
    except UniqueViolation as error:
        await _refuse_elsewhere(course, file, document_id)
        return await _known_after(error, subject, course, file)


async def reingest(subject: Subject, document_id: UUID) -> Accepted:
    """Read the latest version again: in place when it failed, else as a new version so that the old one serves meanwhile.

    Raises:
        DocumentNotFound, PermissionMissing: see `open_document`.
        IngestionRunning: it is being read.
    """
    async with unit_of_work() as uow:
        row = (await open_document(subject, document_id, WRITE, lock=True)).row
        latest = await documents.version(document_id, row.latest_version)
        if latest is None:
            raise DocumentNotFound
        if latest.state == "failed":
            return await _requeue(uow, subject, latest)
        if latest.state != "ready":
            raise IngestionRunning("The document is being read.")
        await documents.supersede(uow, document_id, below_version=latest.version + 1)
        again = NewVersion(
            version=latest.version + 1,
            sha256=latest.sha256,
            file_name=latest.file_name,
            media_type=latest.media_type,
            size_bytes=latest.size_bytes,
            created_by=subject.user_id,
        )
        course = CourseRef(*_place(row.course_id, row.faculty_id))
        return await _accept_version(uow, subject, course, DocumentId(document_id), again)


async def list_documents(
    subject: Subject, course_id: UUID, *, deleted: bool = False, cursor: str | None, limit: int
) -> Page[DocumentView]:
    """Return the course's documents, newest first; those without a readable version only to who may change them.

    With `deleted` they are those that can be restored.

    Raises:
        CourseNotFound, PermissionMissing: see `open_course`.
        ValidationFailed: the cursor is not of this list.
    """
    course = await open_course(subject, course_id, WRITE if deleted else READ)
    writable = subject.can(WRITE, course)
    after = decode_cursor(cursor, _After)
    rows = await documents.page(
        course_id,
        subject.tenant_id,
        only_served=not writable,
        deleted=deleted,
        before_id=after.id if after else None,
        limit=limit + 1,
    )
    page = page_of(rows, limit, lambda row: _After(row.id))
    versions: dict[UUID, list[VersionRow]] = {}
    for version in await documents.versions([row.id for row in page.items]):
        versions.setdefault(version.document_id, []).append(version)
    items = [document_view(row, versions[row.id], all_versions=writable, locale=subject.locale) for row in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


async def get_document(subject: Subject, document_id: UUID) -> DocumentView:
    """Return one document.

    Raises:
        DocumentNotFound: there is no such document for this subject.
    """
    opened = await open_document(subject, document_id)
    versions = await documents.versions([document_id])
    return document_view(opened.row, versions, all_versions=opened.writable, locale=subject.locale)


async def readable_titles(subject: Subject, document_ids: list[UUID]) -> dict[UUID, str]:
    """Return the titles of those documents that the subject may read, e.g. to name what jobs are about."""
    return {
        row.id: row.title
        for row in await documents.many(document_ids, subject.tenant_id)
        if subject.can(READ, CourseRef(*_place(row.course_id, row.faculty_id)))
    }


async def rename_document(subject: Subject, document_id: UUID, patch: DocumentPatch) -> DocumentView:
    """Change the title.

    Raises:
        DocumentNotFound, PermissionMissing: see `open_document`.
    """
    async with unit_of_work() as uow:
        row = (await open_document(subject, document_id, WRITE, lock=True)).row
        await documents.rename(uow, document_id, patch.title.strip() or row.title)
        await documents.change_document_set(uow, row.course_id)  # results are cached with their titles
        await uow.audit(subject, "document.renamed", {"document_id": str(document_id)})
    return await get_document(subject, document_id)


async def delete_document(subject: Subject, document_id: UUID) -> None:
    """Take the document away: from the next request on nothing shows or cites it. Its points follow by a job.

    Raises:
        DocumentNotFound, PermissionMissing: see `open_document`.
    """
    await open_document(subject, document_id, WRITE)
    async with unit_of_work() as uow:
        # Jobs before documents, the order in which an ingestion that ends takes its locks.
        for job_id in await documents.live_jobs(document_id):
            await jobs.request_cancel(uow, job_id, subject.tenant_id)
        row = (await open_document(subject, document_id, WRITE, lock=True)).row
        await documents.delete(uow, document_id, row.course_id)
        about = {"document_id": str(document_id), "course_id": str(row.course_id)}
        await uow.audit(subject, "document.deleted", about)
        deleted = DocumentDeleted(document_id=document_id, course_id=row.course_id)
        await uow.emit(DOCUMENT_DELETED, deleted, subject=subject, subject_id=document_id)
        await uow.enqueue(
            PRUNE, PruneArgs(document_id=DocumentId(document_id)), subject=subject, subject_id=document_id
        )


async def _accept_version(
    uow: UnitOfWork, subject: Subject, course: CourseRef, document_id: DocumentId, new: NewVersion
) -> Accepted:
    await documents.add_version(uow, new_id(), subject.tenant_id, course.course_id, document_id, new)
    args = IngestArgs(document_id=document_id, version=new.version)
    job_id = await uow.enqueue(INGEST, args, subject=subject, subject_id=document_id)
    await documents.requeue_version(uow, document_id, new.version, job_id)
    about = {
        "document_id": str(document_id),
        "course_id": str(course.course_id),
        "version": new.version,
        "sha256": new.sha256.hex(),
        "size_bytes": new.size_bytes,
    }
    await uow.audit(subject, "document.uploaded" if new.version == 1 else "document.version_added", about)
    return Accepted(id=document_id, job_id=job_id, state="queued", version=new.version)


async def _requeue(uow: UnitOfWork, subject: Subject, version: VersionRow) -> Accepted:
    document_id = DocumentId(version.document_id)
    args = IngestArgs(document_id=document_id, version=version.version)
    job_id = await uow.enqueue(INGEST, args, subject=subject, subject_id=document_id)
    await documents.requeue_version(uow, document_id, version.version, job_id)
    await uow.audit(subject, "document.reingested", {"document_id": str(document_id), "version": version.version})
    return Accepted(id=document_id, job_id=job_id, state="queued", version=version.version)


async def _known(subject: Subject, course: CourseRef, file: UploadedFile) -> tuple[Accepted, bool] | None:
    """Return the version that these bytes are already, started again if it had failed; None when they are new."""
    found = await documents.find_bytes(course.course_id, file.sha256)
    if found is None:
        return None
    async with unit_of_work() as uow:
        await documents.get(found.document_id, subject.tenant_id, lock=True)
        version = await documents.version(found.document_id, found.version)
        if version is None:
            return None
        if version.state == "failed":
            as_named = _new_version(subject, file, version.version)
            await documents.name_version(uow, found.document_id, as_named)
            return await _requeue(uow, subject, version), True
    job_id = None if version.job_id is None else JobId(version.job_id)
    state = cast(State, version.state)
    return Accepted(id=DocumentId(found.document_id), job_id=job_id, state=state, version=version.version), False


async def _known_after(
    error: UniqueViolation, subject: Subject, course: CourseRef, file: UploadedFile
) -> tuple[Accepted, bool]:
    """Return what another upload of the same bytes, a moment sooner, has made of them."""
    known = await _known(subject, course, file) if error.constraint == SAME_BYTES else None
    if known is None:
        raise error
    return known


async def _refuse_elsewhere(course: CourseRef, file: UploadedFile, document_id: UUID) -> None:
    found = await documents.find_bytes(course.course_id, file.sha256)
    if found is not None and found.document_id != document_id:
        raise SameFileElsewhere(found.document_id)


async def _store(subject: Subject, objects: ObjectStore, file: UploadedFile) -> None:
    """Put the file where its hash says, before any row speaks of it."""
    key = original_key(subject.tenant_id, file.sha256.hex())
    if not await objects.exists(key):
        await objects.put(key, read_pieces(file.path) if file.size_bytes else b"")


async def _hold_stored(uow: UnitOfWork, subject: Subject, objects: ObjectStore, file: UploadedFile) -> None:
    """Keep the purge off these bytes until the version is committed; what it has just destroyed is put again."""
    await documents.hold_bytes(uow, subject.tenant_id, [file.sha256])
    await _store(subject, objects, file)


def _new_version(subject: Subject, file: UploadedFile, number: int) -> NewVersion:
    try:
        media_type: str = detect_type(file.head, file.name)
    except ParseFailure:
        media_type = UNKNOWN_TYPE  # the job will fail with the reason
    return NewVersion(
        version=number,
        sha256=file.sha256,
        file_name=file.name,
        media_type=media_type,
        size_bytes=file.size_bytes,
        created_by=subject.user_id,
    )


def _place(course_id: UUID, faculty_id: UUID) -> tuple[CourseId, FacultyId]:
    return CourseId(course_id), FacultyId(faculty_id)
