"""Reading a document's text, passages, file and pages."""

from typing import Annotated, Any
from urllib.parse import quote

from litestar import Controller, Request, Response, get
from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream
from litestar.status_codes import HTTP_304_NOT_MODIFIED

from backend.documents import reading
from backend.documents.sandbox import required_walls
from backend.documents.schemas import Chunk, PageBoxes, VersionText
from backend.errors import InputError, ValidationFailed
from backend.kit.http import CurrentSubject, PageCursor, PageLimit, PathNumber, QueryNumber, permission
from backend.kit.http.parameters import MAX_NUMBER
from backend.kit.pagination import DEFAULT_LIMIT, Page
from ops.runtime.ids import DocumentId

AnyRequest = Request[Any, Any, Any]
Version = Annotated[int | None, QueryParameter(ge=1, le=MAX_NUMBER, description="the one served unless given")]
Width = Annotated[int, QueryParameter(ge=64, le=4096, description="pixels")]

IfNoneMatch = Annotated[str | None, HeaderParameter(name="if-none-match", required=False, max_length=1000)]

READ = permission("document.read")
# A file that a stranger uploaded: shown by no browser as a page of this site.
HARMLESS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "private, no-store",
}
# The browser may keep it but asks each time, so that who lost the right sees it no more.
ASK_EACH_TIME = {"cache-control": "private, no-cache"}


class ReadingController(Controller):
    path = "/api/v1/documents/{document_id:uuid}"
    tags = ("documents",)

    @get("/chunks", opt=READ)
    async def list_chunks(
        self,
        subject: CurrentSubject,
        document_id: FromPath[DocumentId],
        version: Version = None,
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[Chunk]:
        """The passages of a version, the one that is served unless another is asked for, in reading order."""
        return await reading.list_chunks(subject, document_id, version=version, cursor=cursor, limit=limit)

    @get("/text", opt=READ)
    async def read_text(
        self, subject: CurrentSubject, document_id: FromPath[DocumentId], request: AnyRequest, version: Version = None
    ) -> VersionText:
        """The text of a version, which all offsets count in, by Unicode code points."""
        return await reading.read_text(subject, request.app.state.objects, document_id, version)

    @get(
        "/file",
        opt=READ,
        media_type="application/octet-stream",
        responses={200: ResponseSpec(bytes, media_type="application/octet-stream", description="the file")},
    )
    async def read_file(
        self, subject: CurrentSubject, document_id: FromPath[DocumentId], request: AnyRequest, version: Version = None
    ) -> Stream:
        """The file as it was uploaded, as an attachment."""
        file = await reading.read_file(subject, request.app.state.objects, document_id, version)
        headers = {
            **HARMLESS,
            "content-disposition": _attachment(file.name),
            "content-length": str(file.size_bytes),
        }
        return Stream(file.content, media_type=file.media_type, headers=headers)

    @get(
        "/pages/{page:int}/image",
        opt=READ,
        media_type="image/png",
        responses={200: ResponseSpec(bytes, media_type="image/png", description="the page")},
        response_headers=[
            ResponseHeader(
                name="cache-control", description="kept by the browser, asked for each time", documentation_only=True
            ),
            ResponseHeader(name="etag", description="of the picture", documentation_only=True),
        ],
    )
    async def page_image(
        self,
        subject: CurrentSubject,
        document_id: FromPath[DocumentId],
        page: PathNumber,
        request: AnyRequest,
        version: Version = None,
        width: Width = 1200,
        if_none_match: IfNoneMatch = None,
    ) -> Response[bytes]:
        """A picture of a page of a PDF, at least as wide as asked for up to 1600 pixels."""
        picture = await reading.find_page(subject, document_id, page, version=version, width=width)
        headers = {**ASK_EACH_TIME, "etag": picture.etag}
        if picture.etag in _tags(if_none_match):
            return Response(b"", status_code=HTTP_304_NOT_MODIFIED, media_type="image/png", headers=headers)
        state = request.app.state
        png = await reading.page_image(subject, state.objects, picture, required_walls(state.settings.env))
        return Response(png, media_type="image/png", headers=headers)

    @get("/pages/{page:int}/boxes", opt=READ)
    async def page_boxes(
        self,
        subject: CurrentSubject,
        document_id: FromPath[DocumentId],
        page: PathNumber,
        request: AnyRequest,
        char_start: QueryNumber,
        char_end: QueryNumber,
        version: Version = None,
    ) -> PageBoxes:
        """Where a stretch of the text stands on a page's picture."""
        if char_end <= char_start:
            wrong = InputError(pointer="/char_end", detail="It must lie behind char_start.", location="query")
            raise ValidationFailed("The stretch is empty.", errors=[wrong])
        span = (char_start, char_end)
        objects = request.app.state.objects
        return await reading.page_boxes(subject, objects, document_id, page, version=version, span=span)


def _tags(if_none_match: str | None) -> set[str]:
    """Return the tags of the header, compared weakly (RFC 9110, 13.1.2)."""
    return {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}


def _attachment(name: str) -> str:
    """Return the header of RFC 6266: the name in ASCII for old browsers, and as it is (RFC 8187)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
