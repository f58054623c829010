"""Reads a multipart upload piece by piece: the file goes to the spool while it is hashed, never whole into memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import IO
from uuid import UUID

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header  # type: ignore[import-untyped]

from backend.documents.errors import FileTooLarge
from backend.documents.file_name import safe_file_name
from backend.documents.spool import Spool, path_of
from backend.errors import BadRequest, InputError, LyceumError, UnsupportedMediaType, ValidationFailed
from rag.parse import HEAD_BYTES

FILE_FIELD = "file"
MAX_FIELD_BYTES = 4096
MAX_FIELDS = 16
WRITE_BYTES = 1024 * 1024
DISCARD_BYTES = 256 * 1024 * 1024
"""How much of a body that is refused is still read, so that the sender reads the answer instead of a reset."""

SILENCE_SECONDS = 60.0
"""Whoever sends nothing for so long has gone; the place is somebody else's."""

CheckFields = Callable[[Mapping[str, str]], Awaitable[None]]


class UploadedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A received file: it lies at `path` until the request ends; `head` is its first 64 KiB."""

    path: Path
    name: str
    sha256: bytes
    size_bytes: int
    head: bytes


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A received form."""

    fields: dict[str, str]
    file: UploadedFile


@asynccontextmanager
async def receive_upload(
    body: AsyncIterator[bytes], content_type: str, max_file_bytes: int, spool: Spool, user_id: UUID, check: CheckFields
) -> AsyncIterator[Upload]:
    """Receive a `multipart/form-data` body with one file in the field `file`; the file is removed on exit.

    `check` sees the fields before the file as soon as the file begins, so that what it refuses is never stored.

    Raises:
        RateLimited, UploadsBusy: too many uploads are being received; and whatever `check` raises.
        UnsupportedMediaType: another content type.
        BadRequest: the body is not what its content type says, ends early, or stops coming for 60 s.
        ValidationFailed: no file, two files, or a field that is too long or not UTF-8.
        FileTooLarge: the file has more than `max_file_bytes`.
    """
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise UnsupportedMediaType("Send the file as multipart/form-data.")
    body = _while_it_comes(body)
    with ExitStack() as held:
        try:
            held.enter_context(spool.place(user_id))
            reader = _Reader(held.enter_context(await spool.open()), max_file_bytes, check)
            with PushMultipartParser(options["boundary"], max_segment_count=MAX_FIELDS, strict=True) as parser:
                async for chunk in body:
                    if not chunk or parser.closed:
                        continue
                    for event in parser.parse(chunk):
                        reader.take(event)
                    await reader.check()
                    await reader.write()
        except MultipartError as error:
            raise BadRequest(f"The form cannot be read: {error}.") from error
        except LyceumError:
            held.close()
            await _discard(body)
            raise
        yield await reader.finish()


async def _while_it_comes(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    pieces = aiter(body)
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise BadRequest(f"The upload stopped for {SILENCE_SECONDS:g} s and was given up.") from None
        if piece is None:
            return
        yield piece


class _Reader:
    """Takes the parser's events; only `write` touches the disk, in a thread."""

    def __init__(self, file: IO[bytes], max_file_bytes: int, check: CheckFields) -> None:
        self._file = file
        self._check: CheckFields | None = check
        self._left = max_file_bytes
        self._limit = max_file_bytes
        self._hash = hashlib.sha256()
        self._pending = bytearray()
        self._head = bytearray()
        self._size = 0
        self._name: str | None = None
        self._fields: dict[str, str] = {}
        self._segment: MultipartSegment | None = None
        self._value = bytearray()

    def take(self, event: "MultipartSegment | bytes | bytearray | None") -> None:
        """Take the start of a field, a piece of it, or, as None, its end."""
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif self._segment is None:
            return
        elif event is None:
            if self._segment.name != FILE_FIELD:
                self._fields[self._segment.name or ""] = _decoded(self._segment.name or "", self._value)
        elif self._segment.name == FILE_FIELD:
            self._size += len(event)
            if self._size > self._limit:
                raise FileTooLarge(self._limit)
            self._pending += event
        else:
            self._value += event
            if len(self._value) > MAX_FIELD_BYTES:
                raise _invalid(self._segment.name or "", "The field is too long.")

    async def check(self) -> None:
        """Have the fields checked, once, when the file has begun."""
        if self._name is not None and self._check is not None:
            check, self._check = self._check, None
            await check(self._fields)

    async def write(self, at_least: int = WRITE_BYTES) -> None:
        """Write and hash what has gathered once it is worth a thread."""
        if len(self._pending) < at_least or not self._pending:
            return
        data, self._pending = bytes(self._pending), bytearray()
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
        await asyncio.to_thread(self._store, data)

    async def finish(self) -> Upload:
        """Return what was received."""
        await self.write(at_least=1)
        if self._name is None:
            raise _invalid(FILE_FIELD, "Send the document in this field.")
        await asyncio.to_thread(self._file.flush)
        file = UploadedFile(
            path=path_of(self._file),
            name=self._name,
            sha256=self._hash.digest(),
            size_bytes=self._size,
            head=bytes(self._head),
        )
        return Upload(fields=self._fields, file=file)

    def _begin(self, segment: MultipartSegment) -> None:
        name = segment.name or ""
        if name == FILE_FIELD:
            if self._name is not None:
                raise _invalid(FILE_FIELD, "One file at a time.")
            self._name = safe_file_name(segment.filename or "")
        elif name in self._fields:
            raise _invalid(name, "The field comes twice.")
        self._segment = segment
        self._value = bytearray()

    def _store(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)


async def read_pieces(path: Path, piece_bytes: int = WRITE_BYTES) -> AsyncIterator[bytes]:
    """Yield the file's content."""
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, piece_bytes):
            yield piece


async def _discard(body: AsyncIterator[bytes]) -> None:
    left = DISCARD_BYTES
    async for chunk in body:
        left -= len(chunk)
        if left < 0:
            return


def _decoded(name: str, value: bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise _invalid(name, "The field is not valid UTF-8.") from error


def _invalid(name: str, detail: str) -> ValidationFailed:
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    return ValidationFailed("The form is not as it should be.", errors=[InputError(pointer=pointer, detail=detail)])
