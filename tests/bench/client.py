"""What the benches say to the API."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.bench.site import Person, Site

POLL_SECONDS = 0.1
INGEST_SECONDS = 300


def api_client(site: Site) -> httpx.AsyncClient:
    """A client without limits of its own on connections, signed in request by request."""
    return httpx.AsyncClient(base_url=f"{site.url}/api/v1", timeout=60, limits=httpx.Limits(max_connections=64))


async def upload(client: httpx.AsyncClient, person: Person, course_id: str, file: Path) -> str:
    """Upload and return the document's id."""
    with file.open("rb") as content:
        data = {"course_id": course_id}
        files = {"file": (file.name, content, "application/pdf")}
        reply = await client.post("/documents", headers=person.headers, data=data, files=files)
    assert reply.status_code == httpx.codes.ACCEPTED, reply.text
    return str(reply.json()["id"])


async def wait_until_ready(client: httpx.AsyncClient, person: Person, document_id: str) -> dict[str, Any]:
    """Wait for a document and return it.

    Raises:
        RuntimeError: it failed.
        TimeoutError: it takes too long.
    """
    deadline = time.monotonic() + INGEST_SECONDS
    while time.monotonic() < deadline:
        reply = await client.get(f"/documents/{document_id}", headers=person.headers)
        document: dict[str, Any] = reply.raise_for_status().json()
        if document["state"] == "ready":
            return document
        if document["state"] == "failed":
            raise RuntimeError(f"the document failed: {document['failure']}")
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError("the document is still being read")


async def passages(client: httpx.AsyncClient, person: Person, document_id: str) -> list[str]:
    """Return the texts of a document's passages."""
    texts: list[str] = []
    parameters: dict[str, str | int] = {"limit": 100}
    while True:
        reply = await client.get(f"/documents/{document_id}/chunks", headers=person.headers, params=parameters)
        page = reply.raise_for_status().json()
        texts += [item["text"] for item in page["items"]]
        if page["next_cursor"] is None:
            return texts
        parameters["cursor"] = page["next_cursor"]


async def search(client: httpx.AsyncClient, person: Person, query: str) -> float:
    """Search all courses and return the milliseconds it took; there must be results."""
    started = time.perf_counter()
    reply = await client.post("/search", headers=person.headers, json={"query": query})
    took_ms = (time.perf_counter() - started) * 1000
    assert reply.status_code == httpx.codes.OK, reply.text
    assert reply.json()["results"], query
    return took_ms


async def warm(client: httpx.AsyncClient, site: Site, queries: Sequence[str]) -> None:
    """Search a few times for nobody's figure."""
    for query in queries:
        await search(client, site.next_person(), query)
