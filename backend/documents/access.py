"""Who may do what with which document."""

from uuid import UUID

import msgspec

from backend.academics.service import course_ref, readable_course
from backend.documents.errors import DocumentNotFound
from backend.kit.subject import CourseRef, Subject
from db.repositories import documents
from db.repositories.documents import DocumentRow, VersionRow
from ops.runtime.ids import CourseId, FacultyId

READ = "document.read"
WRITE = "document.write"


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A document that the subject may read, and whether also those versions that readers do not see."""

    row: DocumentRow
    writable: bool


async def open_course(subject: Subject, course_id: UUID, permission: str) -> CourseRef:
    """Return the course in which the subject holds `permission` on documents.

    Raises:
        CourseNotFound: there is none for this subject.
        PermissionMissing: the course may be read, its documents may not, or not be changed.
    """
    return course_ref(await readable_course(subject, CourseId(course_id), permission))


async def open_document(subject: Subject, document_id: UUID, permission: str = READ, *, lock: bool = False) -> Opened:
    """Return a document that the subject may read or, with `WRITE`, change.

    Raises:
        DocumentNotFound: there is no such document for this subject; one that was never ready exists only for who may change it.
        PermissionMissing: it may be read, not changed.
    """
    row = await documents.get(document_id, subject.tenant_id, lock=lock)
    course = CourseRef(CourseId(row.course_id), FacultyId(row.faculty_id)) if row else None
    if row is None or not subject.can(READ, course):
        raise DocumentNotFound
    writable = subject.can(WRITE, course)
    if row.serving_version is None and not writable:
        raise DocumentNotFound
    subject.require(permission, course)
    return Opened(row=row, writable=writable)


async def open_deleted(subject: Subject, document_id: UUID, *, lock: bool = False) -> DocumentRow | None:
    """Return a deleted document that the subject may restore; None when there is none.

    Raises:
        PermissionMissing: documents of its course may be read, not changed.
    """
    row = await documents.get_deleted(document_id, subject.tenant_id, lock=lock)
    course = CourseRef(CourseId(row.course_id), FacultyId(row.faculty_id)) if row else None
    if row is None or not subject.can(READ, course):
        return None
    subject.require(WRITE, course)
    return row


async def open_version(subject: Subject, document_id: UUID, number: int | None) -> tuple[Opened, VersionRow]:
    """Return a version to read: the one that is served unless `number` says another.

    Raises:
        DocumentNotFound: there is none, or it is one that only those see who may change the document.
    """
    opened = await open_document(subject, document_id)
    wanted = number or opened.row.serving_version or opened.row.latest_version
    if wanted != opened.row.serving_version and not opened.writable:
        raise DocumentNotFound("There is no such version.")
    version = await documents.version(document_id, wanted)
    if version is None:
        raise DocumentNotFound("There is no such version.")
    return opened, version
