"""How long silent receivers are waited for, and which pauses they may ask for."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from actors.main import THREADS
from backend.notifications.jobs import DELIVER
from backend.notifications.patience import ANSWER_SECONDS, FULL_TIME_EVERY_SECONDS, REMEMBERED, SHORT_SECONDS, Patience
from backend.notifications.sending import LONGEST_PAUSE_SECONDS, pause

SILENT = "https://silent.example/hooks"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_silence_costs_time_and_an_answer_gives_it_back() -> None:
    patience = Patience(Clock())
    given = []
    for _ in range(4):
        given.append(patience.seconds(SILENT))
        patience.was_silent(SILENT)
    assert given == [ANSWER_SECONDS, ANSWER_SECONDS, SHORT_SECONDS, SHORT_SECONDS]
    assert patience.seconds("https://other.example/") == ANSWER_SECONDS
    patience.answered(SILENT)
    assert patience.seconds(SILENT) == ANSWER_SECONDS


def test_now_and_then_a_slow_one_may_show_that_it_answers() -> None:
    clock = Clock()
    patience = Patience(clock)
    for _ in range(3):
        patience.was_silent(SILENT)
    clock.now += FULL_TIME_EVERY_SECONDS
    assert [patience.seconds(SILENT) for _ in range(3)] == [ANSWER_SECONDS, SHORT_SECONDS, SHORT_SECONDS]


def test_only_so_many_are_remembered() -> None:
    patience = Patience(Clock())
    for number in range(REMEMBERED + 5):
        patience.was_silent(f"https://{number}.example/")
    assert len(patience._silent) == REMEMBERED


def test_three_silent_tenants_leave_places_to_others() -> None:
    assert 3 * DELIVER.concurrency_per_tenant < THREADS


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0), (" 17 ", 17), ("9" * 5000, LONGEST_PAUSE_SECONDS), ("", None), ("-3", None), ("1.5", None), ("٣", None)],
)
def test_a_pause_in_seconds(header: str, seconds: int | None) -> None:
    assert pause(header) == seconds


def test_a_pause_until_a_date() -> None:
    now = datetime.now(UTC)
    assert pause(format_datetime(now + timedelta(seconds=90), usegmt=True)) in (89, 90)
    assert pause(format_datetime(now + timedelta(days=30), usegmt=True)) == LONGEST_PAUSE_SECONDS
    assert pause(format_datetime(now - timedelta(days=1), usegmt=True)) == 0
    assert pause("Sun Nov  6 08:49:37 1994") == 0
