"""Job kinds and their actors."""

import importlib
import pkgutil

import msgspec
import pytest

import backend
from actors.families import REGISTRY
from backend.documents.jobs import INGEST
from db.jobs import QUEUES, JobKind, RetrySchedule, is_cancellable


def declared_kinds() -> dict[str, JobKind]:  # type: ignore[type-arg]
    """Every job kind that a domain's ``jobs`` module declares."""
    names = [
        f"{domain.name}.jobs"
        for domain in pkgutil.iter_modules(backend.__path__, "backend.")
        if domain.ispkg and importlib.util.find_spec(f"{domain.name}.jobs") is not None
    ]
    found = [value for name in names for value in vars(importlib.import_module(name)).values()]
    return {kind.name: kind for kind in found if isinstance(kind, JobKind)}


def test_every_kind_has_an_actor_and_every_actor_a_kind() -> None:
    assert declared_kinds() == {name: actor.kind for name, actor in REGISTRY.items()}
    assert "documents.ingest" in REGISTRY


@pytest.mark.parametrize("kind", declared_kinds().values(), ids=lambda kind: kind.name)
def test_kinds_outlive_their_retries(kind: JobKind) -> None:  # type: ignore[type-arg]
    assert kind.queue in QUEUES
    assert kind.max_age_seconds > sum(kind.retry.delays_seconds) * (1 + kind.retry.jitter)
    assert kind.retry.max_attempts > 1


def test_a_kind_without_its_limits_cannot_be_declared() -> None:
    with pytest.raises(TypeError):
        JobKind(name="half", args=int, queue="default")  # type: ignore[call-arg, type-var]
    with pytest.raises(ValueError, match="no queue"):
        _variant(queue="fast")
    for limit in ("time_limit_seconds", "max_age_seconds", "concurrency_per_tenant", "concurrency_per_key"):
        with pytest.raises(ValueError, match="limits"):
            _variant(**{limit: 0})
    for name in JobKind.__struct_fields__:
        with pytest.raises(TypeError):
            JobKind(**{key: value for key, value in msgspec.structs.asdict(INGEST).items() if key != name})


def test_retries_cannot_march_in_step() -> None:
    for jitter, delay in ((0.0, 1.0), (1.0, 1.0), (0.2, -1.0)):
        with pytest.raises(ValueError, match="jitter"):
            RetrySchedule((delay,), jitter)


def test_only_what_people_asked_for_may_be_called_off() -> None:
    assert {name for name in declared_kinds() if is_cancellable(name)} == {"documents.ingest", "jobs.purge"}
    assert not is_cancellable("unheard.of")


def test_two_actors_of_one_kind_are_refused() -> None:
    from actors.actor import actor

    with pytest.raises(ValueError, match="two actors"):
        actor(INGEST)(REGISTRY[INGEST.name].run)


def test_retries_spread_around_their_schedule() -> None:
    schedule = RetrySchedule((10.0, 100.0))
    assert schedule.max_attempts == 3
    first, last = ([schedule.delay_seconds(attempt) for _ in range(200)] for attempt in (1, 7))
    assert 8 <= min(first) < max(first) <= 12
    assert 80 <= min(last) < max(last) <= 120


def _variant(**changes: object) -> object:
    return JobKind(**(msgspec.structs.asdict(INGEST) | changes))  # type: ignore[arg-type]
