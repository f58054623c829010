"""The routes of documents."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from backend.documents import retrying
from backend.documents.controller.documents import DocumentController
from backend.documents.controller.reading import ReadingController
from backend.documents.spool import Spool

SPOOL_FOLDER = "uploads"


@asynccontextmanager
async def open_spool(app: Litestar) -> AsyncIterator[None]:
    """Have a place for uploads, free of what killed processes left there."""
    app.state.spool = Spool(app.state.settings.data_dir / SPOOL_FOLDER)
    await asyncio.to_thread(app.state.spool.sweep)
    yield


controllers = [DocumentController, ReadingController]
lifespans = [open_spool]

__all__ = ["controllers", "lifespans", "retrying"]  # whoever serves retries knows what they mean for documents
