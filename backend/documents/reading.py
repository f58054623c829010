"""What readers get of a document: its text, its passages, its file, its pages."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec

from backend.documents.access import open_version
from backend.documents.artefacts import Artefacts
from backend.documents.errors import DocumentNotFound
from backend.documents.local_copy import local_copy
from backend.documents.schemas import Box, Chunk, PageBoxes, VersionText
from backend.errors import DependencyUnavailable
from backend.kit.pagination import Page, decode_cursor, page_of
from backend.kit.subject import Subject
from db.repositories import passages
from db.repositories.documents import VersionRow
from db.repositories.passages import PassageRow
from ops.runtime.logging import get_logger
from ops.runtime.objects import ObjectMissing, ObjectStore, original_key
from rag.parse import ParseFailure, Wall, WallsMissing, locate, render_page

log = get_logger(__name__)

PDF = "application/pdf"
IMAGE_WIDTHS = (480, 800, 1200, 1600)
RENDERS_AT_ONCE = 2
NO_TEXT = "There is no text of this version."

_renders = asyncio.Semaphore(RENDERS_AT_ONCE)


class _After(msgspec.Struct, frozen=True):
    version: int
    ordinal: int


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be sent."""

    name: str
    media_type: str
    size_bytes: int
    content: AsyncIterator[bytes]


class PagePicture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that may be shown, whether or not it is drawn yet; `etag` changes with the bytes it is drawn from."""

    row: VersionRow
    page: int
    width_px: int

    @property
    def etag(self) -> str:
        return f'"{self.row.sha256.hex()}-{self.page}-{self.width_px}"'


async def list_chunks(
    subject: Subject, document_id: UUID, *, version: int | None, cursor: str | None, limit: int
) -> Page[Chunk]:
    """Return a version's passages in reading order; a cursor stays with the version it began with.

    Raises:
        DocumentNotFound: see `open_version`; the version of the cursor may be gone too.
        ValidationFailed: the cursor is not of this list.
    """
    after = decode_cursor(cursor, _After)
    _, row = await open_version(subject, document_id, after.version if after else version)
    start = after.ordinal if after else -1
    rows = await passages.page(document_id, row.version, after_ordinal=start, limit=limit + 1)
    page = page_of(rows, limit, lambda passage: _After(row.version, passage.ordinal))
    return Page(items=[_chunk(passage, row.version) for passage in page.items], next_cursor=page.next_cursor)


async def read_text(subject: Subject, objects: ObjectStore, document_id: UUID, version: int | None) -> VersionText:
    """Return the extracted text of a version.

    Raises:
        DocumentNotFound: see `open_version`; or nothing was extracted from it yet.
    """
    _, row = await open_version(subject, document_id, version)
    text = await _artefacts(subject, objects, row).text()
    if text is None:
        raise DocumentNotFound(NO_TEXT)
    return VersionText(version=row.version, text=text)


async def read_file(subject: Subject, objects: ObjectStore, document_id: UUID, version: int | None) -> StoredFile:
    """Return the file as it was uploaded.

    Raises:
        DocumentNotFound: see `open_version`.
    """
    _, row = await open_version(subject, document_id, version)
    key = original_key(subject.tenant_id, row.sha256.hex())
    if not await objects.exists(key):
        raise DocumentNotFound("The file is not there any more.")
    return StoredFile(
        name=row.file_name, media_type=row.media_type, size_bytes=row.size_bytes, content=objects.stream(key)
    )


async def find_page(subject: Subject, document_id: UUID, page: int, *, version: int | None, width: int) -> PagePicture:
    """Say which picture shows a page of a PDF at least `width` pixels wide, up to 1600.

    Raises:
        DocumentNotFound: see `open_version`; or there is no such page, or the format has no pages to draw.
    """
    _, row = await open_version(subject, document_id, version)
    if row.media_type != PDF or not 1 <= page <= (row.page_count or 0):
        raise DocumentNotFound("There is no such page to show.")
    drawn = next((offered for offered in IMAGE_WIDTHS if offered >= width), IMAGE_WIDTHS[-1])
    return PagePicture(row=row, page=page, width_px=drawn)


async def page_image(
    subject: Subject, objects: ObjectStore, picture: PagePicture, required: tuple[Wall, ...] = ()
) -> bytes:
    """Return the PNG, made once and kept, drawn only if the walls in `required` stand.

    Raises:
        DependencyUnavailable: a required wall cannot be had on this machine.
        DocumentNotFound: the page cannot be drawn, or its file is gone.
    """
    artefacts, page, drawn = _artefacts(subject, objects, picture.row), picture.page, picture.width_px
    png = await artefacts.page_image(page, drawn)
    if png is None:
        try:
            async with _renders, local_copy(objects, artefacts.original_key) as path:
                png = (await render_page(path, page, width_px=drawn, required=required)).png
        except WallsMissing as error:
            log.warning("page_not_drawn", missing=error.missing, runbook="ops/runbooks/sandbox.md")
            raise DependencyUnavailable("The sandbox for page images") from error
        except (ParseFailure, ObjectMissing) as error:
            raise DocumentNotFound("This page cannot be shown.") from error
        await artefacts.put_page_image(page, drawn, png)
    return png


async def page_boxes(
    subject: Subject, objects: ObjectStore, document_id: UUID, page: int, *, version: int | None, span: tuple[int, int]
) -> PageBoxes:
    """Return the rectangles that `text[span[0]:span[1]]` covers on a page; none where the format has no pages.

    Raises:
        DocumentNotFound: see `read_text`.
    """
    _, row = await open_version(subject, document_id, version)
    parsed = await _artefacts(subject, objects, row).parsed_page(page)
    if parsed is None:
        raise DocumentNotFound(NO_TEXT)
    found = await asyncio.to_thread(locate, parsed, page, *span)
    boxes = [Box(left=box.left, top=box.top, right=box.right, bottom=box.bottom) for box in found]
    return PageBoxes(version=row.version, page=page, boxes=boxes)


def _artefacts(subject: Subject, objects: ObjectStore, row: VersionRow) -> Artefacts:
    return Artefacts(objects, subject.tenant_id, row.sha256, row.media_type)


def _chunk(row: PassageRow, version: int) -> Chunk:
    return Chunk(
        id=row.id,
        ordinal=row.ordinal,
        version=version,
        page=row.page,
        heading=row.heading,
        char_start=row.char_start,
        char_end=row.char_end,
        text=row.text,
        language=row.language,
        has_dense=row.has_dense,
    )
