"""After any history the server under test and qdrant-client's in-memory mode answer alike."""

import pytest
from qdrant_client import models

from tests.contract.vectors.histories import History
from tests.contract.vectors.pair import BM25, DENSE, PLAIN, Pair

STEPS = 30


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 8))])
async def test_random_histories(pair: Pair, seed: int) -> None:
    history = History(pair, seed)
    await history.insert()
    found = 0
    for _ in range(STEPS):
        await history.step()
        found += await check_reads(history)
    await check_fusions(history)
    print(f"seed {seed}: {history.done}, {pair.checks} comparisons, {found} points found")
    assert sum(history.done.values()) == STEPS
    assert pair.checks >= STEPS * 6
    assert found > STEPS


@pytest.mark.parametrize("seed", range(3))
async def test_idf_scores_on_insert_only_histories(pair: Pair, seed: int) -> None:
    history = History(pair, 1000 + seed)
    for _ in range(6):
        await history.insert()
        for _ in range(5):
            await pair.check_query(history.sparse(), BM25, None, limit=9)
            await pair.check_query(history.sparse(), BM25, history.filter(), limit=9)
    assert pair.checks == 60


@pytest.mark.parametrize("seed", range(3))
async def test_many_filters(pair: Pair, seed: int) -> None:
    history = History(pair, 2000 + seed)
    for _ in range(4):
        await history.insert()
    counts = [await pair.check_count(history.filter()) for _ in range(150)]
    assert len(set(counts)) > 10


async def test_a_large_upsert_is_written_whole(pair: Pair) -> None:
    history = History(pair, 3000)
    for _ in range(40):
        history.known.append(history._new_id())
    points = [history._point(number) for number in range(1, 601)]
    await pair.both(lambda client, name: client.upsert(name, points, wait=True))
    assert await pair.check_count(None) == 600
    await pair.check_scroll(None)


async def test_batch_queries_answer_in_order(pair: Pair) -> None:
    history = History(pair, 4000)
    for _ in range(4):
        await history.insert()
    queries = [history.dense() for _ in range(5)]
    requests = [models.QueryRequest(query=query, using=DENSE, limit=3) for query in queries]
    together = await pair.server.query_batch_points(pair.name, requests)
    alone = [await pair.server.query_points(pair.name, query=query, using=DENSE, limit=3) for query in queries]
    assert [[p.id for p in answer.points] for answer in together] == [[p.id for p in answer.points] for answer in alone]
    assert len({answer.points[0].id for answer in together}) > 1


async def test_payload_fields_can_be_chosen(pair: Pair) -> None:
    history = History(pair, 5000)
    await history.insert()
    for wanted in (True, False, ["course"], models.PayloadSelectorExclude(exclude=["tenant", "parts"])):
        mine, theirs = await pair.both(lambda client, name, w=wanted: client.scroll(name, limit=50, with_payload=w))
        assert [point.payload or {} for point in mine[0]] == [point.payload or {} for point in theirs[0]]


async def check_reads(history: History) -> int:
    """Compare every way to read, with random arguments; return how many points were found."""
    pair, pick = history.pair, history.random
    found = await pair.check_count(history.filter())
    await pair.check_scroll(None if pick.random() < 0.3 else history.filter())
    await pair.check_retrieve(history._some_ids())
    only = None if pick.random() < 0.3 else history.filter()
    found += await pair.check_query(history.dense(), DENSE, only, limit=pick.randint(1, 15), offset=pick.choice([0, 3]))
    found += await pair.check_query(history.sparse(), PLAIN, only, limit=pick.randint(1, 15))
    found += await pair.check_query(history.dense(), DENSE, only, limit=10, score_threshold=pick.uniform(-0.5, 0.5))
    return found


async def check_fusions(history: History) -> None:
    """Compare reciprocal rank fusions of a dense and a sparse search, with filters in the prefetches."""
    for rrf in (None, models.Rrf(k=60), models.Rrf(k=2, weights=[1.0, 3.0])):
        for only in (None, history.filter()):
            prefetch = [
                models.Prefetch(query=history.dense(), using=DENSE, filter=only, limit=12),
                models.Prefetch(query=history.sparse(), using=PLAIN, filter=only, limit=12),
            ]
            await history.pair.check_fusion(prefetch, rrf, limit=history.random.randint(3, 10))
