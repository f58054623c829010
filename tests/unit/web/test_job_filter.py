"""The filter of the operators' list, from what a form sends."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from backend.jobs.schemas import JobFilter
from backend.web.job_filter import JobSearch


def test_every_field_narrows_and_the_last_day_is_included() -> None:
    person = uuid4()
    typed = {
        "state": "dead",
        "kind": "documents.ingest",
        "queue": "ingest",
        "error_type": " timeout ",
        "request_id": "r-1",
        "user_id": str(person),
        "since": "2026-11-20",
        "until": "2026-11-21",
    }
    search = JobSearch.of(typed)
    assert search.is_sound
    assert search.wanted == JobFilter(
        state="dead",
        kind="documents.ingest",
        queue="ingest",
        error_type="timeout",
        request_id="r-1",
        user_id=person,
        created_from=datetime(2026, 11, 20, tzinfo=UTC),
        created_until=datetime(2026, 11, 22, tzinfo=UTC),
    )
    assert msgspec.json.decode(search.body, type=JobFilter) == search.wanted
    assert "error_type=timeout&" in search.address


def test_what_cannot_be_meant_asks_for_nothing_and_a_wrong_id_is_told() -> None:
    search = JobSearch.of({"state": "lost", "queue": "fast", "since": "2026-13-40", "subject_id": "x\u0000"})
    assert search.wanted == JobFilter()
    assert search.wrong == {"subject_id"}
    assert not search.is_sound
    assert JobSearch.of({}).is_sound
