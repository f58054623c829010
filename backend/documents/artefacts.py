"""What is made from an uploaded file and kept: parsed text, vectors, page images.

Keyed by the file's bytes and everything that shapes the result, so that a second course, a new attempt or a new version
with the same bytes finds it; deleting any of it costs only time. Artefacts belong to a tenant like the file itself.
"""

import asyncio
import hashlib
import itertools
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar
from uuid import UUID

import msgspec

from ops.runtime.objects import ObjectMissing, ObjectStore, derived_key, original_key
from rag.parse import PARSER_VERSION, ParsedDocument, WordBox

T = TypeVar("T")


class _Text(msgspec.Struct, frozen=True):
    """What is decoded where only the text is asked for."""

    text: str


class _Stored(msgspec.Struct, frozen=True):
    """A parsed document as it is kept: its words apart and page by page, packed.

    Decoding holds the GIL, in whatever thread: 0.5 s and more for a book with its 400,000 words, 20 ms without.
    """

    document: bytes
    words: dict[int, bytes]


_VECTORS = msgspec.msgpack.Decoder(list[bytes])
_PARSED = msgspec.msgpack.Decoder(ParsedDocument)
_TEXT = msgspec.msgpack.Decoder(_Text)
_STORED = msgspec.msgpack.Decoder(_Stored)
_BOXES = msgspec.msgpack.Decoder(tuple[WordBox, ...])


class Artefacts:
    """The artefacts of one file as one tenant's upload."""

    def __init__(self, objects: ObjectStore, tenant_id: UUID, sha256: bytes, media_type: str) -> None:
        self._objects = objects
        self._tenant_id = tenant_id
        self._sha256 = sha256.hex()
        self._kind = hashlib.sha256(media_type.encode()).hexdigest()[:8]

    @property
    def original_key(self) -> str:
        """Where the file lies."""
        return original_key(self._tenant_id, self._sha256)

    async def parsed(self) -> ParsedDocument | None:
        """Return the parsed document, or None when it was not made, or by another parser."""
        return await self._read_parsed(lambda stored: _with_words(stored, stored.words))

    async def text(self) -> str | None:
        """Return the document's text alone, or None as `parsed`."""
        return await self._read_parsed(lambda stored: _TEXT.decode(stored.document).text)

    async def parsed_page(self, page: int) -> ParsedDocument | None:
        """Return the document with the words of one page alone, or None as `parsed`."""
        return await self._read_parsed(lambda stored: _with_words(stored, [page]))

    async def put_parsed(self, document: ParsedDocument) -> None:
        """Keep the parsed document."""
        await self._put(self._parsed_name, await asyncio.to_thread(_packed, document))

    async def vectors(self, model: str, texts: Sequence[str]) -> "list[array[float]] | None":
        """Return the vectors of one batch of passages, as float32, or None when they were not made."""
        raw = await self._get(_vectors_name(model, texts))
        try:
            return None if raw is None else await asyncio.to_thread(_vectors, raw)
        except (msgspec.MsgspecError, ValueError):
            return None

    async def put_vectors(self, model: str, texts: Sequence[str], vectors: "Sequence[array[float]]") -> None:
        """Keep the vectors of one batch."""
        raw = msgspec.msgpack.encode([vector.tobytes() for vector in vectors])
        await self._put(_vectors_name(model, texts), raw)

    async def page_image(self, page: int, width: int) -> bytes | None:
        """Return a page's image, or None when it was not made."""
        return await self._get(f"page-{page}-{width}.png")

    async def put_page_image(self, page: int, width: int, png: bytes) -> None:
        """Keep a page's image."""
        await self._put(f"page-{page}-{width}.png", png)

    @property
    def _parsed_name(self) -> str:
        return f"parsed-pages-{PARSER_VERSION}-{self._kind}"

    async def _read_parsed(self, part: Callable[[_Stored], T]) -> T | None:
        raw = await self._get(self._parsed_name)
        try:
            return None if raw is None else await asyncio.to_thread(lambda: part(_STORED.decode(raw)))
        except msgspec.MsgspecError:
            return None  # cut off or of another form: as good as not made

    async def _get(self, name: str) -> bytes | None:
        try:
            return await self._objects.get(derived_key(self._tenant_id, self._sha256, name))
        except ObjectMissing:
            return None

    async def _put(self, name: str, data: bytes) -> None:
        await self._objects.put(derived_key(self._tenant_id, self._sha256, name), data)


def _packed(document: ParsedDocument) -> bytes:
    pages: dict[int, list[WordBox]] = {}
    for word in document.words:
        pages.setdefault(word.page, []).append(word)
    words = {page: msgspec.msgpack.encode(boxes) for page, boxes in pages.items()}
    rest = msgspec.msgpack.encode(msgspec.structs.replace(document, words=()))
    return msgspec.msgpack.encode(_Stored(document=rest, words=words))


def _with_words(stored: _Stored, pages: Iterable[int]) -> ParsedDocument:
    words = itertools.chain.from_iterable(_BOXES.decode(stored.words[page]) for page in pages if page in stored.words)
    return msgspec.structs.replace(_PARSED.decode(stored.document), words=tuple(words))


def _vectors(raw: bytes) -> "list[array[float]]":
    return [array("f", vector) for vector in _VECTORS.decode(raw)]


def _vectors_name(model: str, texts: Sequence[str]) -> str:
    made_of = hashlib.sha256(msgspec.msgpack.encode([model, *texts])).hexdigest()[:32]
    return f"vectors-{made_of}"
