import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

from ops.runtime.ids import new_id


def test_ids_are_version_7_and_carry_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_ids_grow_however_fast_they_are_made() -> None:
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_threads_never_share_an_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        made: list[UUID] = [
            one for many in pool.map(lambda _: [new_id() for _ in range(2_000)], range(8)) for one in many
        ]
    assert len(set(made)) == len(made)
