"""When a cron expression is due in a time zone, daylight saving included (as Debian's cron does it)."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

FIELDS = 5


class CronInvalid(ValueError):
    """The expression cannot be read, or is never due."""


@cache
def timezones() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(available_timezones())


def next_due(cron: str, timezone: str, after: datetime) -> datetime:
    """Return the first due time later than `after`, in UTC.

    Raises:
        CronInvalid: it is not an expression of five fields, or there is no such time within 50 years.
    """
    return next_dues(cron, timezone, after, 1)[0].astimezone(UTC)


def next_dues(cron: str, timezone: str, after: datetime, limit: int) -> list[datetime]:
    """Return the first due times later than `after`, one to `limit` of them, with the zone's offsets.

    Raises:
        CronInvalid: see `next_due`.
    """
    try:
        found = list(islice(_times(cron, timezone, after), limit))
    except OverflowError:
        found = []
    if not found:
        raise CronInvalid("It is never due.")
    return found


def last_due(cron: str, timezone: str, since: datetime, until: datetime, limit: int) -> list[datetime]:
    """Return the last due times from `since` to `until`, both included, oldest first and at most `limit`, in UTC.

    Raises:
        CronInvalid: see `next_due`.
    """
    a_moment_later = until.replace(microsecond=0) + timedelta(seconds=1)  # the starting point itself is never given
    times = (due.astimezone(UTC) for due in _times(cron, timezone, a_moment_later, backwards=True))
    return list(islice(takewhile(lambda due: due >= since, times), limit))[::-1]


def _times(cron: str, timezone: str, start: datetime, *, backwards: bool = False) -> CronSim:
    if len(cron.split()) != FIELDS:
        raise CronInvalid("A cron expression has five fields: minute, hour, day of month, month, day of week.")
    try:
        return CronSim(cron, start.astimezone(ZoneInfo(timezone)), backwards)
    except CronSimError as error:
        raise CronInvalid(f"{error}: it cannot be read, or there is no such date.") from None
