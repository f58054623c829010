"""The queue of both lanes: order, bounds, fairness."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_gateway.contract import Lane
from inference_gateway.engines.lanes import QUESTION_BATCHES_IN_A_ROW, LaneLimits, LaneQueue, Work
from inference_gateway.engines.tickets import Ticket
from inference_gateway.errors import GatewayOverloaded
from tests.processes import until


def fill(queue: LaneQueue, lane: Lane, lengths: list[int]) -> Ticket:
    ticket = Ticket(len(lengths))
    queue.reserve(lane, len(lengths))
    works = [
        Work(ticket=ticket, lane=lane, position=i, tokens=tokens, prepared=None) for i, tokens in enumerate(lengths)
    ]
    assert queue.put(lane, works)
    return ticket


def lengths_of(batch: list[Work]) -> list[int]:
    return [work.tokens for work in batch]


async def test_a_question_overtakes_every_waiting_passage() -> None:
    queue = LaneQueue(LaneLimits())
    fill(queue, "passage", [100] * 500)
    queue.take()
    question = fill(queue, "query", [12])

    assert [work.ticket for work in queue.take()] == [question]


async def test_passages_get_a_turn_even_under_endless_questions() -> None:
    queue = LaneQueue(LaneLimits(batch_texts=1))
    fill(queue, "passage", [100])
    fill(queue, "query", [10] * (QUESTION_BATCHES_IN_A_ROW + 5))

    lanes = [queue.take()[0].lane for _ in range(QUESTION_BATCHES_IN_A_ROW + 2)]

    assert lanes == ["query"] * QUESTION_BATCHES_IN_A_ROW + ["passage", "query"]


async def test_a_batch_is_bounded_by_texts_and_by_padded_tokens() -> None:
    queue = LaneQueue(LaneLimits(batch_texts=8, batch_tokens=512))
    fill(queue, "passage", [10] * 20)
    fill(queue, "query", [300, 250, 20, 900])

    assert lengths_of(queue.take()) == [300]
    assert lengths_of(queue.take()) == [250, 20]
    assert lengths_of(queue.take()) == [900]
    assert lengths_of(queue.take()) == [10] * 8


async def test_passages_of_like_length_are_batched_across_requests_from_the_oldest_on() -> None:
    queue = LaneQueue(LaneLimits(batch_texts=4, batch_tokens=512))
    oldest = fill(queue, "passage", [50, 100])
    fill(queue, "passage", [200, 99, 98, 51])

    first = queue.take()

    assert lengths_of(first) == [100, 99, 98, 51]
    assert first[0].ticket is oldest


async def test_every_batch_of_passages_serves_the_oldest_request() -> None:
    queue = LaneQueue(LaneLimits(batch_texts=4, batch_tokens=10_000))
    oldest = fill(queue, "passage", [20] * 10)
    fill(queue, "passage", [500, 20, 20, 10] * 50)

    for _ in range(3):
        assert any(work.ticket is oldest for work in queue.take())


async def test_a_full_lane_refuses_with_a_time_to_come_back_and_leaves_the_other_open() -> None:
    queue = LaneQueue(LaneLimits(waiting_passages=100, waiting_questions=5))
    fill(queue, "passage", [10] * 100)

    with pytest.raises(GatewayOverloaded) as refused:
        queue.reserve("passage", 1)

    assert 1 <= (refused.value.retry_after_seconds or 0) <= 60
    queue.reserve("query", 5)
    queue.take()
    queue.reserve("passage", 8)


async def test_discarding_a_request_empties_its_places_only() -> None:
    queue = LaneQueue(LaneLimits(waiting_passages=10))
    leaving = fill(queue, "passage", [10] * 5)
    staying = fill(queue, "passage", [10] * 5)

    queue.discard(leaving)

    assert queue.waiting("passage") == 5
    assert {work.ticket for work in queue.take()} == {staying}


async def test_taking_waits_for_work_and_ends_when_closed() -> None:
    queue = LaneQueue(LaneLimits())
    taken: list[list[Work]] = []

    def take_twice() -> None:
        for _ in range(2):
            taken.append(queue.take())  # noqa: PERF401 - the first is looked at before the second comes

    thread = threading.Thread(target=take_twice)
    thread.start()
    time.sleep(0.05)
    assert taken == []

    fill(queue, "query", [5])
    until(lambda: bool(taken))
    queue.close()
    thread.join(timeout=5)

    assert [len(batch) for batch in taken] == [1, 0]
    assert not queue.put("query", [])


@given(
    requests=st.lists(
        st.tuples(st.sampled_from(["query", "passage"]), st.lists(st.integers(1, 600), min_size=1, max_size=30)),
        max_size=12,
    )
)
async def test_every_text_is_taken_exactly_once_within_the_bounds(requests: list[tuple[Lane, list[int]]]) -> None:
    limits = LaneLimits()
    queue = LaneQueue(limits)
    expected = {
        (ticket.number, position)
        for lane, lengths in requests
        for ticket in [fill(queue, lane, lengths)]
        for position in range(len(lengths))
    }

    seen: list[tuple[int, int]] = []
    while len(seen) < len(expected):
        batch = queue.take()
        assert len({work.lane for work in batch}) == 1
        assert len(batch) <= limits.batch_texts
        assert len(batch) == 1 or max(lengths_of(batch)) * len(batch) <= limits.batch_tokens
        seen.extend((work.ticket.number, work.position) for work in batch)

    assert len(seen) == len(set(seen))
    assert set(seen) == expected
    assert queue.waiting("query") == queue.waiting("passage") == 0
