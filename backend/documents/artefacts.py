"""What is made from an uploaded file and kept: parsed text, vectors, page images.

Keyed by the file's bytes and everything that shapes the result, so that a second course, a new attempt or a new version
with the same bytes finds it; deleting any of it costs only time. Artefacts belong to a tenant like the file itself.
"""

import hashlib
from array import array
from collections.abc import Sequence
from uuid import UUID

import msgspec

from ops.runtime.objects import ObjectMissing, ObjectStore, derived_key, original_key
from rag.parse import PARSER_VERSION, ParsedDocument

_VECTORS = msgspec.msgpack.Decoder(list[bytes])
_PARSED = msgspec.msgpack.Decoder(ParsedDocument)


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
        raw = await self._get(f"parsed-{PARSER_VERSION}-{self._kind}")
        try:
            return None if raw is None else _PARSED.decode(raw)
        except msgspec.MsgspecError:
            return None  # cut off or of another form: as good as not made

    async def put_parsed(self, document: ParsedDocument) -> None:
        """Keep the parsed document."""
        await self._put(f"parsed-{PARSER_VERSION}-{self._kind}", msgspec.msgpack.encode(document))

    async def vectors(self, model: str, texts: Sequence[str]) -> "list[array[float]] | None":
        """Return the vectors of one batch of passages, as float32, or None when they were not made."""
        raw = await self._get(_vectors_name(model, texts))
        try:
            return None if raw is None else [array("f", vector) for vector in _VECTORS.decode(raw)]
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

    async def _get(self, name: str) -> bytes | None:
        try:
            return await self._objects.get(derived_key(self._tenant_id, self._sha256, name))
        except ObjectMissing:
            return None

    async def _put(self, name: str, data: bytes) -> None:
        await self._objects.put(derived_key(self._tenant_id, self._sha256, name), data)


def _vectors_name(model: str, texts: Sequence[str]) -> str:
    made_of = hashlib.sha256(msgspec.msgpack.encode([model, *texts])).hexdigest()[:32]
    return f"vectors-{made_of}"
