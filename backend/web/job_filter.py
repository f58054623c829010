"""The filter of the operators' list of jobs, from the fields of its form."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, get_args
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from backend.jobs.schemas import JobFilter
from db.jobs import QUEUES, JobState

FIELDS: Final = ("state", "kind", "queue", "error_type", "request_id", "subject_id", "user_id", "since", "until")
LONGEST: Final = 200


class JobSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. `typed` is the form as it was filled in; `wrong` names fields that hold no id."""

    typed: dict[str, str]
    wanted: JobFilter
    wrong: frozenset[str]

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> "JobSearch":
        """Read the form's fields; an empty or half-typed one asks for nothing."""
        typed = {name: str(query.get(name) or "").strip()[:LONGEST] for name in FIELDS}
        ids = {name: _id(typed[name]) for name in ("subject_id", "user_id")}
        first, last = _day(typed["since"]), _day(typed["until"])
        wanted = JobFilter(
            state=next((known for known in get_args(JobState) if known == typed["state"]), None),
            kind=typed["kind"] or None,
            queue=next((known for known in QUEUES if known == typed["queue"]), None),
            error_type=typed["error_type"] or None,
            request_id=typed["request_id"] or None,
            created_from=first,
            created_until=last + timedelta(days=1) if last else None,
            subject_id=ids["subject_id"],
            user_id=ids["user_id"],
        )
        wrong = frozenset(name for name, value in ids.items() if typed[name] and value is None)
        return cls(typed=typed, wanted=wanted, wrong=wrong)

    @property
    def is_sound(self) -> bool:
        """Whether every field can be understood."""
        return not self.wrong

    @property
    def address(self) -> str:
        """The filter as the query of an address, ending so that more can follow."""
        return urlencode({name: value for name, value in self.typed.items() if value}) + "&"

    @property
    def narrowed(self) -> int:
        """How many of the fields that are folded away ask for something."""
        return sum(bool(self.typed[name]) for name in FIELDS[3:])

    @property
    def body(self) -> str:
        """The filter as the API takes it, in JSON."""
        fields = msgspec.structs.asdict(self.wanted)
        return msgspec.json.encode({name: value for name, value in fields.items() if value}).decode()


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return None
