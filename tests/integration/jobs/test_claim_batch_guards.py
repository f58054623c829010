"""Each guard of the claim of several is needed: a check fails when it is taken out of the statement."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal, NamedTuple

import pytest

from db import query
from db.repositories import claim_batches
from tests.integration.jobs import test_claim_batches as checks
from tests.integration.jobs.conftest import Someone
from tests.integration.jobs.test_limits import KEYED

Statement = Literal["_HOLD", "_START"]


class Sabotage(NamedTuple):
    """`guard` of a statement gives way to `instead`; `check` must notice."""

    statement: Statement
    guard: str
    instead: str
    check: Callable[[Someone], Awaitable[None]]


def left_out(condition: str) -> Callable[[Someone], Awaitable[None]]:
    return partial(checks.test_what_is_not_plain_is_left_out, condition=condition)


LOCKED = checks.test_places_that_are_being_taken_are_counted
TENANT = "(2, kind || ':' || tenant_id), "
KEY = ", (3, kind || ':key:' || concurrency_key)"
TABLES = ("job_events", "job_attempts", "jobs", "queue_pauses")
SABOTAGES = {
    "ended": Sabotage(
        "_HOLD",
        "state NOT IN ('running', 'succeeded', 'dead', 'cancelled')",
        "true",
        left_out("state = 'dead', finished_at = now()"),
    ),
    "cancel": Sabotage(
        "_HOLD", "AND cancel_requested_at IS NULL AND losses", "AND losses", left_out("cancel_requested_at = now()")
    ),
    "suspects": Sabotage("_HOLD", "AND losses = 0", "", left_out("losses = 1")),
    "attempts": Sabotage("_HOLD", "AND attempt < max_attempts", "", left_out("attempt = max_attempts")),
    "age": Sabotage("_HOLD", "AND expires_at > now()", "", left_out("expires_at = now() - interval '1 second'")),
    "due": Sabotage(
        "_HOLD", "coalesce(jobs.retry_at, now()) <= now()", "true", left_out("retry_at = now() + interval '1 minute'")
    ),
    "relatives": Sabotage(
        "_HOLD", "jobs.waits_for IS NULL AND", "", left_out("state = 'waiting', waits_for = 'children'")
    ),
    "row": Sabotage(
        "_HOLD",
        "FOR UPDATE SKIP LOCKED",
        "",
        checks.test_one_that_is_being_started_is_not_started_again,
    ),
    "order": Sabotage(
        "_HOLD",
        "AND j.priority <",
        "AND false AND j.priority <",
        checks.test_none_is_taken_while_a_more_urgent_one_waits,
    ),
    "lock of the pause": Sabotage(
        "_HOLD",
        "(1, 'queue:' || tenant_id || ':' || queue), ",
        "",
        checks.test_a_queue_that_is_being_paused_gives_nothing,
    ),
    "lock of the tenant": Sabotage(
        "_HOLD", TENANT, "", partial(LOCKED, kind=checks.NARROW, lock="test.narrow_batch:{tenant}")
    ),
    "lock of the key": Sabotage("_HOLD", KEY, "", partial(LOCKED, kind=KEYED, lock=checks.KEY_X)),
    "pause": Sabotage("_START", "NOT t.is_paused AND", "", checks.test_a_paused_queue_gives_nothing),
    "tenant": Sabotage(
        "_START",
        "in_tenant + t.running <= concurrency_per_tenant",
        "true",
        checks.test_places_of_a_tenant_are_not_exceeded,
    ),
    "key": Sabotage(
        "_START", "with_key + k.running <= concurrency_per_key", "true", checks.test_places_of_a_key_are_not_exceeded
    ),
    "token": Sabotage(
        "_START",
        "fencing_token = fencing_token + 1",
        "fencing_token = fencing_token",
        checks.test_the_tokens_of_a_batch_fence,
    ),
    "attempt": Sabotage(
        "_START",
        "attempt = attempt + 1",
        "attempt = attempt",
        checks.test_all_start_in_one_claim_each_with_its_attempt_and_its_event,
    ),
    "lease": Sabotage(
        "_START",
        "lease_until = now() + $3",
        "lease_until = now() + 0 * $3",
        checks.test_all_start_in_one_claim_each_with_its_attempt_and_its_event,
    ),
}


async def test_without_one_of_them_its_check_fails(someone: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    unnoticed = [name for name, sabotage in SABOTAGES.items() if not await _is_noticed(sabotage, someone, monkeypatch)]
    assert unnoticed == []


async def _is_noticed(sabotage: Sabotage, someone: Someone, monkeypatch: pytest.MonkeyPatch) -> bool:
    statement: str = getattr(claim_batches, sabotage.statement)
    assert statement.count(sabotage.guard) == 1, f"there is no {sabotage.guard} to be taken out"
    with monkeypatch.context() as patch:
        patch.setattr(claim_batches, sabotage.statement, statement.replace(sabotage.guard, sabotage.instead))
        try:
            await sabotage.check(someone)
        except (AssertionError, pytest.fail.Exception):
            return True
        finally:
            for table in TABLES:
                await query.execute(f"DELETE FROM {table}")
    return False
