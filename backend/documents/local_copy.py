"""Objects as files."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ops.runtime.objects import ObjectStore


@asynccontextmanager
async def local_copy(objects: ObjectStore, key: str) -> AsyncIterator[Path]:
    """Lend an object as a file, which the parser's child needs.

    Raises:
        ObjectMissing: there is none.
    """
    with tempfile.NamedTemporaryFile(prefix="lyceum-copy-") as file:
        async for piece in objects.stream(key):
            await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(file.flush)
        yield Path(file.name)
