"""One collection twice: on the server under test and in qdrant-client's in-memory mode, which is the reference."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from qdrant_client import AsyncQdrantClient, models

DIMENSIONS = 8
DENSE = "dense"
PLAIN = "plain"
BM25 = "bm25"
TOLERANCE = 1e-4
PAGE = 7

T = TypeVar("T")
Act = Callable[[AsyncQdrantClient, str], Awaitable[T]]


class Pair:
    """Acts on both and compares what they answer. `checks` counts the comparisons."""

    def __init__(self, server: AsyncQdrantClient, reference: AsyncQdrantClient, name: str) -> None:
        self.server = server
        self.name = name
        self.checks = 0
        self._reference = reference

    async def create(self) -> None:
        await self.both(
            lambda client, name: client.create_collection(
                name,
                vectors_config={DENSE: models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)},
                sparse_vectors_config={
                    PLAIN: models.SparseVectorParams(),
                    BM25: models.SparseVectorParams(modifier=models.Modifier.IDF),
                },
            )
        )
        tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        version = models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=True)
        for field, schema in {"tenant": tenant, "version": version, "course": tenant}.items():
            await self.both(
                lambda client, name, f=field, s=schema: client.create_payload_index(name, f, field_schema=s)
            )

    async def drop(self) -> None:
        await self.both(lambda client, name: client.delete_collection(name))

    async def both(self, act: Act[T]) -> tuple[T, T]:
        """Return the server's answer and the reference's."""
        return await act(self.server, self.name), await act(self._reference, self.name)

    async def check_count(self, only: models.Filter | None) -> int:
        mine, theirs = await self.both(lambda client, name: client.count(name, count_filter=only, exact=True))
        assert mine.count == theirs.count, only
        self.checks += 1
        return mine.count

    async def check_scroll(self, only: models.Filter | None) -> None:
        mine, theirs = await self.both(lambda client, name: scrolled(client, name, only))
        assert [point.id for point in mine] == [point.id for point in theirs], only
        for ours, reference in zip(mine, theirs, strict=True):
            assert (ours.payload or {}) == (reference.payload or {})
        self.checks += 1

    async def check_retrieve(self, ids: list[int | str]) -> None:
        mine, theirs = await self.both(lambda client, name: client.retrieve(name, ids, with_vectors=True))
        assert_same_records(mine, theirs)
        self.checks += 1

    async def check_query(
        self,
        query: list[float] | models.SparseVector,
        using: str,
        only: models.Filter | None,
        limit: int,
        offset: int = 0,
        score_threshold: float | None = None,
    ) -> int:
        mine, theirs = await self.both(
            lambda client, name: client.query_points(
                name,
                query=query,
                using=using,
                query_filter=only,
                limit=limit,
                offset=offset,
                score_threshold=score_threshold,
            )
        )
        assert_same_ranking(mine.points, theirs.points, at_top=offset == 0)
        self.checks += 1
        return len(mine.points)

    async def check_fusion(self, prefetch: list[models.Prefetch], rrf: models.Rrf | None, limit: int) -> None:
        query = models.RrfQuery(rrf=rrf) if rrf else models.FusionQuery(fusion=models.Fusion.RRF)
        mine, theirs = await self.both(
            lambda client, name: client.query_points(name, prefetch=prefetch, query=query, limit=limit)
        )
        assert_same_ranking(mine.points, theirs.points)
        self.checks += 1


async def scrolled(client: AsyncQdrantClient, name: str, only: models.Filter | None) -> list[models.Record]:
    """Read a collection to its end, page by page."""
    points: list[models.Record] = []
    offset: models.ExtendedPointId | None = None
    while True:
        page, offset = await client.scroll(name, scroll_filter=only, limit=PAGE, offset=offset)
        points += page
        if offset is None:
            return points
        await asyncio.sleep(0)


def assert_same_ranking(
    mine: list[models.ScoredPoint], theirs: list[models.ScoredPoint], *, at_top: bool = True
) -> None:
    """Same number of hits with the same scores; the same ids above the tie at the limit. With an offset a tie can also
    stand at the top, and ids on it may differ too.
    """
    assert len(mine) == len(theirs)
    for ours, reference in zip(mine, theirs, strict=True):
        assert abs(ours.score - reference.score) <= TOLERANCE, (mine, theirs)
    if not mine:
        return
    floor = mine[-1].score + 2 * TOLERANCE
    ceiling = float("inf") if at_top else mine[0].score - 2 * TOLERANCE
    scored = [{p.id for p in points if floor < p.score < ceiling} for points in (mine, theirs)]
    assert scored[0] == scored[1], (mine, theirs)


def assert_same_records(mine: list[models.Record], theirs: list[models.Record]) -> None:
    """The same points in any order, their payloads equal and their vectors as far as float32 goes."""
    reference = {point.id: point for point in theirs}
    assert {point.id for point in mine} == reference.keys()
    for point in mine:
        other = reference[point.id]
        assert (point.payload or {}) == (other.payload or {})
        assert _weights(point) == pytest.approx(_weights(other), abs=TOLERANCE)


def _weights(point: models.Record) -> dict[tuple[str, int], float]:
    assert isinstance(point.vector, dict)
    weights = {}
    for name, vector in point.vector.items():
        if isinstance(vector, models.SparseVector):
            weights |= {(name, index): value for index, value in zip(vector.indices, vector.values, strict=True)}
        else:
            weights |= {(name, index): value for index, value in enumerate(vector)}
    return weights
