"""The breaker with a clock of its own."""

import random

from hypothesis import given
from hypothesis import strategies as st

from inference_gateway.routing.breaker import Breaker, Pass, Rules

RULES = Rules(failures=3, window=10, open_seconds=1.0, longest_seconds=8.0, jitter=0.0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock, rules: Rules = RULES) -> Breaker:
    return Breaker(rules, clock=clock, spread=random.Random(7).uniform)


def state_of(one: Breaker) -> str:
    return str(one.state)


def leave(one: Breaker) -> Pass:
    passed = one.enter()
    assert passed is not None
    return passed


def fail(one: Breaker, times: int = 1) -> None:
    for _ in range(times):
        leave(one).failed()


def test_three_failures_in_a_row_open_it_and_a_success_between_starts_anew() -> None:
    one = breaker(Clock())
    fail(one, 2)
    leave(one).succeeded()
    fail(one, 2)
    assert state_of(one) == "closed"

    fail(one)

    assert state_of(one) == "open"
    assert one.enter() is None
    assert one.seconds_until_probe == 1.0


def test_half_of_the_last_ones_bad_opens_it_though_never_three_in_a_row() -> None:
    one = breaker(Clock())
    for _ in range(5):
        leave(one).succeeded()
        fail(one)

    assert state_of(one) == "open"


def test_one_probe_and_only_one_then_closed_on_trial() -> None:
    clock = Clock()
    one = breaker(clock)
    fail(one, 3)
    clock.now += 1.0

    probe = leave(one)
    assert state_of(one) == "half_open"
    assert [one.enter() for _ in range(100)] == [None] * 100
    probe.answered()
    assert state_of(one) == "closed"

    fail(one)  # on trial: one failure is enough, and the rest is longer
    assert state_of(one) == "open"
    assert one.seconds_until_probe == 2.0


def test_a_whole_answer_ends_the_trial_and_the_growth() -> None:
    clock = Clock()
    one = breaker(clock)
    fail(one, 3)
    clock.now += 1.0
    probe = leave(one)
    probe.answered()
    probe.succeeded()

    fail(one, 2)
    assert state_of(one) == "closed"
    fail(one)
    assert one.seconds_until_probe == 1.0


def test_rests_double_up_to_the_longest() -> None:
    clock = Clock()
    one = breaker(clock)
    fail(one, 3)
    rests = []
    for _ in range(6):
        rests.append(one.seconds_until_probe)
        clock.now += one.seconds_until_probe
        fail(one)

    assert rests == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_jitter_spreads_the_probes_of_many_gateways() -> None:
    clock = Clock()
    rests = set()
    for seed in range(50):
        one = Breaker(Rules(failures=1, open_seconds=10, jitter=0.25), clock=clock, spread=random.Random(seed).uniform)
        fail(one)
        rests.add(one.seconds_until_probe)

    assert len(rests) == 50
    assert 7.5 <= min(rests) < 8.5 < 11.5 < max(rests) <= 12.5


def test_a_probe_whose_client_leaves_makes_way_for_the_next_at_once() -> None:
    clock = Clock()
    one = breaker(clock)
    fail(one, 3)
    clock.now += 1.0
    leave(one).left()

    assert state_of(one) == "open"
    leave(one).answered()
    assert state_of(one) == "closed"


def test_what_began_before_it_opened_neither_closes_nor_prolongs() -> None:
    clock = Clock()
    one = breaker(clock)
    old = [leave(one) for _ in range(3)]
    fail(one, 3)
    until = one.seconds_until_probe

    old[0].failed()
    old[1].answered()
    old[2].succeeded()

    assert (state_of(one), one.seconds_until_probe) == ("open", until)


@given(st.lists(st.sampled_from(["enter", "answered", "succeeded", "failed", "left", "wait"]), max_size=80))
def test_never_two_probes_and_always_a_way_back(steps: list[str]) -> None:
    clock = Clock()
    one = breaker(clock)
    out: list[Pass] = []
    for step in steps:
        if step == "wait":
            clock.now += 3.0
        elif step == "enter":
            before = state_of(one)
            passed = one.enter()
            if before == "half_open":
                assert passed is None
            if passed is not None:
                out.append(passed)
        elif out:
            passed = out[0] if step == "answered" else out.pop(0)
            getattr(passed, step)()
    for passed in out:
        passed.left()
    clock.now += RULES.longest_seconds * 2

    assert one.enter() is not None
