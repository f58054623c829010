"""Ingestion of a 71-page PDF from upload to ready, against the bare embedder on the very same passages."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.client import api_client, passages, search, upload, wait_until_ready
from tests.bench.material import make_pdf, questions
from tests.bench.report import Figure
from tests.bench.site import Site
from tests.bench.statistics import median, spread
from tests.stack import ROOT

ROUNDS = 3
FIRST_SEED = 100
OPEN_WEBUI_SECONDS = 22.9


def measure(site: Site, console: Console) -> list[Figure]:
    """Return passages a second, with seconds from upload to searchable in the note."""
    ours, theirs, seconds, pages, threads = [], [], [], 0, 0
    for number in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            file = make_pdf(Path(folder), FIRST_SEED + number)
            took, document, texts = asyncio.run(_ingest(site, file))
        bare = _embed_bare(texts)
        threads, pages = bare["threads"], document["pages"]
        seconds.append(took)
        ours.append(len(texts) / took)
        theirs.append(len(texts) / bare["seconds"])
        console.print(
            f"  {len(texts)} passages: {took:.1f} s from upload to searchable, bare embedder {bare['seconds']:.1f} s"
        )
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return [
        Figure(
            name="ingest/embedder",
            value=median(ours),
            unit="passages/s",
            peer=f"SentenceTransformer.encode, {threads} threads",
            peer_value=median(theirs),
            ratio=median(ratios),
            n=ROUNDS,
            spread=spread(ratios),
            note=f"{pages} pages, {len(texts)} passages, {median(seconds):.1f} s from upload to searchable"
            f" (Open WebUI with the same model: {OPEN_WEBUI_SECONDS} s for its own 71 pages)",
        )
    ]


async def _ingest(site: Site, file: Path) -> tuple[float, dict[str, Any], list[str]]:
    person = site.campus.lecturer
    async with api_client(site) as client:
        started = time.perf_counter()
        document_id = await upload(client, person, site.campus.course_ids[0], file)
        document = await wait_until_ready(client, person, document_id)
        took = time.perf_counter() - started
        await search(client, site.next_person(), questions(1, seed=int(started))[0])
        return took, document, await passages(client, person, document_id)


def _embed_bare(texts: list[str]) -> dict[str, Any]:
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "true"}
    command = [sys.executable, "-m", "tests.bench.bare_embedder"]
    done = subprocess.run(
        command,
        input=json.dumps(texts),
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    assert result["vectors"] == len(texts)
    return result
