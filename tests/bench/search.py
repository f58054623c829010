"""A search over HTTP with its audit row, against what it cannot do without: the question's vector and the index."""

import asyncio
import itertools
import time
from uuid import UUID

from qdrant_client import AsyncQdrantClient, models
from rich.console import Console

from backend.academics.service import scope_for
from inference_gateway.client import GatewayClient
from ops.runtime.crypto import decode_key
from ops.runtime.tokens import ServiceTokens
from rag.language import analyse
from rag.scope import Scope
from rag.store import query_vector, schema
from rag.store.points import HIT_FIELDS, sparse_vector
from rag.store.scoping import scope_filter
from tests import campus
from tests.bench.client import api_client, search
from tests.bench.library import ensure_document
from tests.bench.material import questions
from tests.bench.report import Figure
from tests.bench.site import Site
from tests.bench.statistics import median, percentile, spread

QUESTIONS = 200
PER_BLOCK = 40
SEED = 7
PEOPLE = 20
"""So many that nobody meets the limit of 60 questions a minute; each has searched before."""
WARM_UP = 2 * PEOPLE
CANDIDATES = 50
HITS = 18
"""What the product asks the index for when it is asked for 10 results."""


def measure(site: Site, console: Console) -> list[Figure]:
    """Return search p50 against the p50 of the parts' sums: the same questions in turn, each new to every cache."""
    ensure_document(site, console)
    return [asyncio.run(_measure(site))]


async def _measure(site: Site) -> Figure:
    settings = site.settings
    asked = questions(QUESTIONS + WARM_UP, SEED)
    async with campus.opened(settings):
        scope = await scope_for(site.campus.learners[0].subject, "search.use")
    engine = AsyncQdrantClient(
        url=settings.qdrant_url, api_key=settings.qdrant_api_key or None, check_compatibility=False
    )
    people = itertools.cycle(site.campus.learners[:PEOPLE])
    whole: list[float] = []
    parts: list[tuple[float, float]] = []
    async with (
        api_client(site) as client,
        GatewayClient(settings.gateway_url, ServiceTokens(decode_key(settings.service_key))) as gateway,
    ):
        for question in asked[QUESTIONS:]:
            await search(client, next(people), question)
            await _parts(gateway, engine, scope, question)
        for question in asked[:QUESTIONS]:
            whole.append(await search(client, next(people), question))
            parts.append(await _parts(gateway, engine, scope, question))
    await engine.close()
    return _figure(whole, parts)


async def _parts(gateway: GatewayClient, engine: AsyncQdrantClient, scope: Scope, question: str) -> tuple[float, float]:
    words = sparse_vector(query_vector(analyse(question, "en")))
    started = time.perf_counter()
    batch = await gateway.embed([question], lane="query", tenant_id=UUID(str(scope.tenant_id)))
    embedded = time.perf_counter()
    hits = await _hybrid(engine, list(batch.vectors[0]), words, scope)
    ended = time.perf_counter()
    assert hits.points, question
    return (embedded - started) * 1000, (ended - embedded) * 1000


async def _hybrid(
    engine: AsyncQdrantClient, meaning: list[float], words: models.SparseVector, scope: Scope
) -> models.QueryResponse:
    """One query, fused by the server itself."""
    only = scope_filter(scope)
    return await engine.query_points(
        schema.ALIAS,
        prefetch=[
            models.Prefetch(query=meaning, using=schema.DENSE, filter=only, limit=CANDIDATES),
            models.Prefetch(query=words, using=schema.SPARSE, filter=only, limit=CANDIDATES),
        ],
        query=models.RrfQuery(rrf=models.Rrf(k=2)),
        limit=HITS,
        with_payload=HIT_FIELDS,
    )


def _figure(whole: list[float], parts: list[tuple[float, float]]) -> Figure:
    blocks = range(0, QUESTIONS, PER_BLOCK)
    sums = [embedding + engine for embedding, engine in parts]
    ratios = [median(whole[i : i + PER_BLOCK]) / median(sums[i : i + PER_BLOCK]) for i in blocks]
    embedding, engine = median([part[0] for part in parts]), median([part[1] for part in parts])
    return Figure(
        name="search/sum",
        value=median(whole),
        unit="ms",
        peer="question embedding + engine",
        peer_value=median(sums),
        n=len(whole),
        spread=spread(ratios),
        note=f"p50; p95 {percentile(whole, 95):.1f} ms; embedding {embedding:.1f} ms + hybrid query {engine:.1f} ms;"
        " spread over blocks of 40",
    )
