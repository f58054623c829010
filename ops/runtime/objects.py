"""Object storage: originals and derived artefacts by key, in a local folder, S3, GCS or memory.

Keys: `<tenant>/<sha256[:2]>/<sha256>` for originals, `<tenant>/derived/<sha256>/<name>` for what is made from them.
"""

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, MemoryStore, from_url

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

STREAM_CHUNK_BYTES = 256 * 1024
MAX_KEY_CHARACTERS = 512
PROBE_KEY = "health"
ANSWER_SECONDS = 3.0
"""For questions and the beginning of an object; what is long to send may take longer."""

# obstore's own defaults try for three minutes. A part of an upload (5 MiB) has 15 s to arrive.
_CLIENT: "ClientConfig" = {"connect_timeout": "1s", "read_timeout": "15s", "timeout": "300s"}
_RETRY: "RetryConfig" = {"max_retries": 1, "retry_timeout": timedelta(seconds=2)}


class ObjectMissing(Exception):
    """No object has this key."""


class ObjectStoreUnavailable(Exception):
    """The store does not answer, or its folder cannot be used."""


class ObjectStore:
    """A port of a few methods over obstore. A `put` is visible whole or not at all. All raise `ObjectStoreUnavailable`."""

    def __init__(self, store: Any, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    @classmethod
    def from_url(cls, url: str) -> "ObjectStore":
        """Open `file:///folder` (made, with mode 0700, when missing), `s3://…`, `gs://…` or `memory://`."""
        if url.startswith("memory:"):
            return cls(MemoryStore())
        if url.startswith("file:"):
            folder = Path(unquote(urlsplit(url).path))
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(LocalStore(prefix=folder), folder)
        # Options of ours take the place of all that the environment says, where this one is needed for a local MinIO.
        client: ClientConfig = {**_CLIENT, "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")}
        return cls(from_url(url, client_options=client, retry_config=_RETRY))

    async def check(self) -> None:
        """Return when the store answers."""
        await self.exists(PROBE_KEY)

    async def put(self, key: str, data: bytes | AsyncIterable[bytes]) -> None:
        """Store `data` under `key`, replacing what was there; a stream that raises leaves nothing behind."""
        with self._translated():
            await obstore.put_async(self._store, _checked(key), data)

    async def get(self, key: str) -> bytes:
        """Return the whole object.

        Raises:
            ObjectMissing: no object has this key.
        """
        with self._translated():
            return bytes(await (await self._opened(key)).bytes_async())

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yield the object in pieces of about 256 KiB.

        Raises:
            ObjectMissing: no object has this key; raised before the first piece.
        """
        with self._translated():
            async for piece in (await self._opened(key)).stream(min_chunk_size=STREAM_CHUNK_BYTES):
                yield bytes(piece)

    async def exists(self, key: str) -> bool:
        """Tell whether an object has this key."""
        try:
            with self._translated():
                async with asyncio.timeout(ANSWER_SECONDS):
                    await obstore.head_async(self._store, _checked(key))
        except ObjectMissing:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Remove the object; a key that names none is fine."""
        try:
            with self._translated():
                await obstore.delete_async(self._store, _checked(key))
        except ObjectMissing:
            return

    async def list(self, prefix: str) -> list[str]:
        """Return all keys below the folder `prefix`, sorted."""
        keys: list[str] = []
        with self._translated():
            async for batch in obstore.list(self._store, prefix=prefix.rstrip("/") or None):
                keys.extend(entry["path"] for entry in batch)
        return sorted(keys)

    async def _opened(self, key: str) -> Any:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await obstore.get_async(self._store, _checked(key))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        self._check_folder()
        try:
            yield
        except (NotFoundError, FileNotFoundError) as error:
            raise ObjectMissing from error
        except (BaseError, TimeoutError) as error:
            raise ObjectStoreUnavailable(type(error).__name__) from error

    def _check_folder(self) -> None:
        """A folder that is gone, e.g. with its disk, is no store without objects, and must not be made anew."""
        if self._folder is not None and not self._folder.is_dir():
            raise ObjectStoreUnavailable("the folder of the object store is gone")


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
