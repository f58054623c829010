"""Object storage: originals and derived artefacts by key, in a local folder, S3, GCS or memory.

Keys: `<tenant>/<sha256[:2]>/<sha256>` for originals, `<tenant>/derived/<sha256>/<name>` for what is made from them.
"""

from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import LocalStore, MemoryStore, from_url

STREAM_CHUNK_BYTES = 256 * 1024
MAX_KEY_CHARACTERS = 512


class ObjectMissing(Exception):
    """No object has this key."""


class ObjectStore:
    """A port of six methods over obstore. A `put` is visible whole or not at all."""

    def __init__(self, store: Any) -> None:
        self._store = store

    @classmethod
    def from_url(cls, url: str) -> "ObjectStore":
        """Open `file:///folder` (made, with mode 0700, when missing), `s3://…`, `gs://…` or `memory://`."""
        if url.startswith("memory:"):
            return cls(MemoryStore())
        if url.startswith("file:"):
            folder = Path(unquote(urlsplit(url).path))
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(LocalStore(prefix=folder))
        return cls(from_url(url))

    async def put(self, key: str, data: bytes | AsyncIterable[bytes]) -> None:
        """Store `data` under `key`, replacing what was there; a stream that raises leaves nothing behind."""
        await obstore.put_async(self._store, _checked(key), data)

    async def get(self, key: str) -> bytes:
        """Return the whole object.

        Raises:
            ObjectMissing: no object has this key.
        """
        try:
            result = await obstore.get_async(self._store, _checked(key))
            return bytes(await result.bytes_async())
        except (NotFoundError, FileNotFoundError) as error:
            raise ObjectMissing(key) from error

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yield the object in pieces of about 256 KiB.

        Raises:
            ObjectMissing: no object has this key; raised before the first piece.
        """
        try:
            result = await obstore.get_async(self._store, _checked(key))
        except (NotFoundError, FileNotFoundError) as error:
            raise ObjectMissing(key) from error
        async for piece in result.stream(min_chunk_size=STREAM_CHUNK_BYTES):
            yield bytes(piece)

    async def exists(self, key: str) -> bool:
        """Tell whether an object has this key."""
        try:
            await obstore.head_async(self._store, _checked(key))
        except (NotFoundError, FileNotFoundError):
            return False
        return True

    async def delete(self, key: str) -> None:
        """Remove the object; a key that names none is fine."""
        try:
            await obstore.delete_async(self._store, _checked(key))
        except (NotFoundError, FileNotFoundError):
            return

    async def list(self, prefix: str) -> list[str]:
        """Return all keys below the folder `prefix`, sorted."""
        keys: list[str] = []
        async for batch in obstore.list(self._store, prefix=prefix.rstrip("/") or None):
            keys.extend(entry["path"] for entry in batch)
        return sorted(keys)


def original_key(tenant_id: object, sha256: str) -> str:
    """Return the key of an uploaded file."""
    return f"{tenant_id}/{sha256[:2]}/{sha256}"


def derived_key(tenant_id: object, sha256: str, name: str) -> str:
    """Return the key of an artefact made from an uploaded file."""
    return f"{tenant_id}/derived/{sha256}/{name}"


def _checked(key: str) -> str:
    parts = key.split("/")
    if not key or len(key) > MAX_KEY_CHARACTERS or "\x00" in key or any(part in ("", ".", "..") for part in parts):
        raise ValueError("not a key of an object")
    return key
