"""Due times, around changes of daylight saving time too."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.jobs.cron import CronInvalid, last_due, next_due, timezones

BERLIN = "Europe/Berlin"
YEARS = datetime(2000, 1, 1), datetime(2090, 1, 1)  # noqa: DTZ001 - the strategy takes naive ones


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_time_in_the_hour_that_does_not_exist_is_due_right_after_it() -> None:
    assert next_due("30 2 * * *", BERLIN, at("2026-03-28T12:00")) == at("2026-03-29T01:00")
    assert next_due("30 2 * * *", BERLIN, at("2026-03-29T01:00")) == at("2026-03-30T00:30")


def test_a_time_in_the_hour_that_comes_twice_is_due_once() -> None:
    first = next_due("30 2 * * *", BERLIN, at("2026-10-24T12:00"))
    assert (first, next_due("30 2 * * *", BERLIN, first)) == (at("2026-10-25T00:30"), at("2026-10-26T01:30"))


@pytest.mark.parametrize(
    "cron", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "", "* * * *", "* * * * * *", "x * * * *", "@daily"]
)
def test_what_is_never_due_or_cannot_be_read_is_refused(cron: str) -> None:
    with pytest.raises(CronInvalid):
        next_due(cron, "UTC", at("2026-11-21T00:00"))


def test_the_last_times_are_the_next_ones_seen_from_behind() -> None:
    start = at("2026-03-27T00:07")
    forwards = [start]
    for _ in range(60):
        forwards.append(next_due("*/20 1-3 * * *", BERLIN, forwards[-1]))
    assert last_due("*/20 1-3 * * *", BERLIN, start, forwards[-1], 1000) == forwards[1:]
    assert last_due("*/20 1-3 * * *", BERLIN, start, forwards[-1], 3) == forwards[-3:]
    assert all(one < other for one, other in pairwise(forwards))


@given(
    st.datetimes(*YEARS),
    st.sampled_from(["*/7 * * * *", "5 4 * * 1", "0 0 29 2 *"]),
)
def test_between_two_due_times_there_is_none(moment: datetime, cron: str) -> None:
    after = moment.replace(tzinfo=UTC, microsecond=0)
    due = next_due(cron, "Asia/Amman", after)
    assert last_due(cron, "Asia/Amman", after + timedelta(seconds=1), due, 5) == [due]


def test_zones_are_names_and_not_files() -> None:
    assert {"UTC", "Asia/Amman"} <= timezones()
    assert "../../etc/passwd" not in timezones()
