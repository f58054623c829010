"""An estimate is told only when the stage's own pace tells it."""

from datetime import UTC, datetime, timedelta

import pytest

from backend.jobs.estimate import seconds_left
from db.repositories.job_progress import StagePace
from ops.runtime.ids import new_id

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def left(done: int, total: int, span: float, *, found: int = 0, silence: float = 0.0) -> int | None:
    last_at = START + timedelta(seconds=span)
    pace = StagePace(job_id=new_id(), first_at=START, first_done=found, last_at=last_at, last_done=done, total=total)
    return seconds_left(pace, last_at + timedelta(seconds=silence))


def test_the_rest_takes_as_long_for_each_item_as_the_items_before() -> None:
    assert left(25, 100, 10.0) == 30
    assert left(50, 100, 10.0) == 10
    assert left(100, 100, 10.0) == 0


def test_what_a_retry_found_done_does_not_make_it_faster() -> None:
    assert left(60, 100, 10.0, found=50) == 40


def test_the_time_since_the_last_report_has_passed() -> None:
    assert left(25, 100, 10.0, silence=4.0) == 26
    assert left(99, 100, 100.0, silence=5.0) == 0


@pytest.mark.parametrize(
    ("done", "total", "span", "silence"),
    [
        (0, 100, 10.0, 0.0),  # nothing done
        (2, 100, 10.0, 0.0),  # too little
        (15, 1000, 10.0, 0.0),  # less than 2 % of it
        (50, 100, 1.0, 0.0),  # too short a time
        (50, 0, 10.0, 0.0),  # nobody knows how much there is
        (50, 100, 6.0, 5.1),  # it stands still
        (50, 100, 60.0, 31.0),
    ],
)
def test_nothing_is_told_without_enough_to_go_on(done: int, total: int, span: float, silence: float) -> None:
    assert left(done, total, span, silence=silence) is None
