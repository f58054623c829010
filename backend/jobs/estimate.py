"""How much longer the present stage of a job will take, told only when its own pace so far can tell it."""

from datetime import datetime
from typing import Final

from db.repositories.job_progress import StagePace

ENOUGH_ITEMS: Final = 3
ENOUGH_PART: Final = 0.02
ENOUGH_SECONDS: Final = 2.0
QUIET_SECONDS: Final = 5.0


def seconds_left(pace: StagePace, now: datetime) -> int | None:
    """Return the seconds that the stage still needs at its mean pace, None when that cannot be said.

    It cannot without a total, before 3 items and 2 % of them took 2 s, and when nothing was reported for longer than 5 s and
    half the time measured: what stands still has no pace. What a retry found done already says nothing about the pace.
    """
    gained, span = pace.last_done - pace.first_done, (pace.last_at - pace.first_at).total_seconds()
    silence = (now - pace.last_at).total_seconds()
    if pace.total <= 0 or span < ENOUGH_SECONDS or gained < max(ENOUGH_ITEMS, ENOUGH_PART * pace.total):
        return None
    if silence > max(QUIET_SECONDS, span / 2):
        return None
    remaining = max(0, pace.total - pace.last_done)
    return max(0, round(remaining * span / gained - silence))
