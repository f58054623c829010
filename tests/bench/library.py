"""Makes sure that there is something to find."""

import asyncio
import tempfile
from pathlib import Path

from rich.console import Console

from tests.bench.client import api_client, upload, wait_until_ready
from tests.bench.material import make_pdf
from tests.bench.site import Site

SEED = 1


def ensure_document(site: Site, console: Console) -> None:
    """Have one 71-page PDF read in the first course."""
    if not site.has_document:
        console.print("  reading a 71-page PDF to search in")
        asyncio.run(_read(site))
        site.has_document = True


async def _read(site: Site) -> None:
    person = site.campus.lecturer
    with tempfile.TemporaryDirectory() as folder:
        async with api_client(site) as client:
            document_id = await upload(client, person, site.campus.course_ids[0], make_pdf(Path(folder), SEED))
            await wait_until_ready(client, person, document_id)
