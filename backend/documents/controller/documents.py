"""Uploading, listing and changing documents."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from backend.documents import restoring, service
from backend.documents.controller.form import UploadOperation, VersionOperation
from backend.documents.schemas import Accepted, DocumentPatch, DocumentView, UploadForm, VersionForm
from backend.documents.upload import CheckFields, Upload, receive_upload
from backend.errors import ValidationFailed
from backend.kit.http import CurrentSubject, PageCursor, PageLimit, permission
from backend.kit.pagination import DEFAULT_LIMIT, Page
from backend.kit.pointers import from_message, unstorable
from backend.kit.subject import Subject
from ops.runtime.ids import CourseId, DocumentId

Form = TypeVar("Form", bound=msgspec.Struct)
AnyRequest = Request[Any, Any, Any]

COURSE = "course_id"
UPLOAD = permission("document.write", streams_body=True)
KNOWN = {HTTP_200_OK: ResponseSpec(Accepted, description="the course has these bytes already")}


class DocumentController(Controller):
    path = "/api/v1/documents"
    tags = ("documents",)

    @post(
        opt=UPLOAD,
        status_code=HTTP_202_ACCEPTED,
        request_max_body_size=None,
        responses=KNOWN,
        operation_class=UploadOperation,
    )
    async def upload(self, subject: CurrentSubject, request: AnyRequest) -> Response[Accepted]:
        """Upload a file (`multipart/form-data`: `file`, `course_id`, `title`?); it is read by a job.

        The same bytes in the same course are answered with 200 and the document they are already.
        """

        async def check(fields: Mapping[str, str]) -> None:
            if COURSE in fields:  # else it comes behind the file
                await service.check_upload(subject, _form(fields, UploadForm).course_id)

        async with _received(request, subject, check) as upload:
            form = _form(upload.fields, UploadForm)
            accepted, new = await service.upload(subject, request.app.state.objects, form, upload.file)
        return _answer(accepted, new)

    @get(opt=permission("document.read"))
    async def list_documents(
        self,
        subject: CurrentSubject,
        course_id: FromQuery[CourseId],
        deleted: FromQuery[bool] = False,
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[DocumentView]:
        """The documents of a course, newest first; learners see those that are ready. With `deleted=true` what can be restored."""
        return await service.list_documents(subject, course_id, deleted=deleted, cursor=cursor, limit=limit)

    @get("/{document_id:uuid}", opt=permission("document.read"))
    async def get_document(self, subject: CurrentSubject, document_id: FromPath[DocumentId]) -> DocumentView:
        """One document: state, progress, why it failed, its versions."""
        return await service.get_document(subject, document_id)

    @patch("/{document_id:uuid}", opt=permission("document.write"))
    async def rename_document(
        self, subject: CurrentSubject, document_id: FromPath[DocumentId], data: JSONBody[DocumentPatch]
    ) -> DocumentView:
        """Change the title."""
        return await service.rename_document(subject, document_id, data)

    @delete("/{document_id:uuid}", opt=permission("document.write"))
    async def delete_document(self, subject: CurrentSubject, document_id: FromPath[DocumentId]) -> None:
        """Delete a document: from the next request on nothing finds, shows or cites it."""
        await service.delete_document(subject, document_id)

    @post("/{document_id:uuid}/restore", opt=permission("document.write"), status_code=HTTP_200_OK)
    async def restore_document(self, subject: CurrentSubject, document_id: FromPath[DocumentId]) -> DocumentView:
        """Take back the deletion of a document until its purge date; it is read anew before anything cites it."""
        return await restoring.restore_document(subject, document_id)

    @post(
        "/{document_id:uuid}/versions",
        opt=UPLOAD,
        status_code=HTTP_202_ACCEPTED,
        request_max_body_size=None,
        responses=KNOWN,
        operation_class=VersionOperation,
    )
    async def add_version(
        self, subject: CurrentSubject, document_id: FromPath[DocumentId], request: AnyRequest
    ) -> Response[Accepted]:
        """Upload a new version (`multipart/form-data`: `file`); readers see the old one until it is ready."""

        async def check(fields: Mapping[str, str]) -> None:
            _form(fields, VersionForm)
            await service.check_new_version(subject, document_id)

        async with _received(request, subject, check) as upload:
            _form(upload.fields, VersionForm)
            accepted, new = await service.add_version(subject, request.app.state.objects, document_id, upload.file)
        return _answer(accepted, new)

    @post("/{document_id:uuid}/reingest", opt=permission("document.write"), status_code=HTTP_202_ACCEPTED)
    async def reingest(self, subject: CurrentSubject, document_id: FromPath[DocumentId]) -> Accepted:
        """Read the latest version again, e.g. after a failure that was not the file's fault."""
        return await service.reingest(subject, document_id)


def _received(request: AnyRequest, subject: Subject, check: CheckFields) -> AbstractAsyncContextManager[Upload]:
    state, content_type = request.app.state, request.headers.get("content-type", "")
    limit = state.settings.max_upload_bytes
    return receive_upload(request.stream(), content_type, limit, state.spool, subject.user_id, check)


def _form(fields: Mapping[str, str], kind: type[Form]) -> Form:
    if wrong := unstorable(fields):
        raise ValidationFailed("The form holds what cannot be stored.", errors=wrong)
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise ValidationFailed("The form is not as it should be.", errors=[from_message(str(error))]) from error


def _answer(accepted: Accepted, new: bool) -> Response[Accepted]:
    status = HTTP_202_ACCEPTED if new else HTTP_200_OK
    headers = {"location": f"/api/v1/documents/{accepted.id}"}
    return Response(accepted, status_code=status, headers=headers)
