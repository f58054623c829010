"""Passages' vectors: from what an earlier attempt or another course has kept, else from the gateway."""

import asyncio
import time
from array import array
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from uuid import UUID

import msgspec

from backend.documents.artefacts import Artefacts
from db.repositories.passages import PassageRow
from inference_gateway.client import GatewayClient
from inference_gateway.contract import GatewayOverloaded, GatewayUnavailable, ModelInfo

BATCH_PASSAGES = 64
BATCHES_IN_FLIGHT = 3
"""Enough that the engine finds the next batch waiting while we keep the last one."""
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 2.0

OnProgress = Callable[[int, int], Awaitable[None]]


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors by the passages' ordinals, and the model that made them; passages in unknown languages have none."""

    model: str
    dimensions: int
    languages: tuple[str, ...]
    vectors: "dict[int, array[float]]"

    def knows(self, language: str) -> bool:
        """Tell whether passages in `language` have a vector."""
        return "*" in self.languages or language in self.languages


def model_name(info: ModelInfo) -> str:
    """Name the embedder so that two sets of weights never share a name."""
    return f"{info.embedder}@{info.revision[:16]}"


async def embed_passages(
    rows: list[PassageRow],
    info: ModelInfo,
    tenant_id: UUID,
    gateway: GatewayClient,
    artefacts: Artefacts,
    on_progress: OnProgress,
) -> Embedding:
    """Return the vectors of all passages whose language the model knows.

    Batches hold passages of like length, so that padding costs the model little, and are always the same for the same
    text: each is kept as soon as it is made.

    Raises:
        GatewayError: the gateway did not answer for a minute.
    """
    model = model_name(info)
    known = sorted((row for row in rows if info.knows(row.language)), key=lambda row: (len(row.text), row.ordinal))
    batches = [known[start : start + BATCH_PASSAGES] for start in range(0, len(known), BATCH_PASSAGES)]
    vectors: dict[int, array[float]] = {}
    places = asyncio.Semaphore(BATCHES_IN_FLIGHT)
    await on_progress(0, len(known))

    async def run(batch: list[PassageRow]) -> None:
        async with places:
            texts = [row.text for row in batch]
            made = await artefacts.vectors(model, texts)
            if made is None:
                made = await _embed(gateway, texts, tenant_id)
                await artefacts.put_vectors(model, texts, made)
        vectors.update((row.ordinal, vector) for row, vector in zip(batch, made, strict=True))
        await on_progress(len(vectors), len(known))

    await _all(run(batch) for batch in batches)
    return Embedding(model=model, dimensions=info.dimensions, languages=info.languages, vectors=vectors)


async def _embed(gateway: GatewayClient, texts: list[str], tenant_id: UUID) -> "list[array[float]]":
    """Ask the gateway; an overload or a restart of it is waited out for a minute before the attempt fails."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            batch = await gateway.embed(texts, lane="passage", tenant_id=tenant_id)
        except (GatewayOverloaded, GatewayUnavailable) as error:
            if time.monotonic() >= give_up_at:
                raise
            await asyncio.sleep(error.retry_after_seconds or PAUSE_SECONDS)
        else:
            return [array("f", vector) for vector in batch.vectors]


async def _all(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Run side by side; the first error stops the others."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
