"""Nobody gets a passage they may not read: a long walk against a model, and what happens when a guard is taken away.

Two guards stand before every passage: the filter that searches carry, and the look into Postgres afterwards; a third, the
scope in the cache's names, keeps one person's results from another. The tests take them away by replacing functions; no
setting of the product does.
"""

import time
from collections.abc import Sequence
from uuid import UUID

import pytest
from qdrant_client import models

from db import query
from db.repositories.passages import ServedPassageRow
from rag.scope import Scope
from tests.integration.scope import asking
from tests.integration.scope.checker import ForeignPassage
from tests.integration.scope.material import library
from tests.integration.scope.school import School
from tests.integration.scope.walk import Walk

STEPS = 2000
EACH = 100
ANSWERED = 500
FOREIGN_BEST = 300
SHORT = 250
SOME = 10
SEED = 20261121


async def _unfiltered(
    passage_ids: Sequence[UUID], tenant_id: UUID, course_ids: Sequence[UUID]
) -> list[ServedPassageRow]:
    """As `db.repositories.passages.served`, without any condition on who may read."""
    return await query.fetch(
        ServedPassageRow,
        """SELECT p.id AS passage_id, p.document_id, p.version, d.course_id, d.title, p.page, p.heading, p.char_start,
                  p.char_end, p.text, p.language
           FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
           JOIN passages p ON p.id = asked.id JOIN documents d ON d.id = p.document_id ORDER BY asked.place""",
        list(passage_ids),
    )


def without_filter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("rag.store.qdrant.scope_filter", lambda _scope, *more: models.Filter(must=[*more]))


def without_look_into_postgres(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("db.repositories.passages.served", _unfiltered)


def without_scope_in_cache_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scope, "digest", lambda _scope: "everybody")


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_long_walk_shows_nobody_what_is_not_theirs(school: School, capsys: pytest.CaptureFixture[str]) -> None:
    walk = Walk(school, library(topics=8, wordings=3), SEED)
    started = time.monotonic()
    try:
        await walk.run(STEPS, each=EACH)
    finally:
        with capsys.disabled():
            print(f"\nscope: {walk.steps} steps in {time.monotonic() - started:.0f} s")
            print("\n".join(f"{count:6} {name}" for name, count in sorted(walk.counts.items())))
    assert walk.steps >= STEPS
    assert all(walk.counts[kind] >= EACH for kind in walk.kinds)
    assert walk.counts["answered"] >= ANSWERED
    assert walk.counts["answered, best unscoped hit foreign"] >= FOREIGN_BEST
    assert (
        min(walk.counts[kind] for kind in ("refused", "unanswered", "withdrawn", "cached: search", "cached: answer"))
        > 0
    )


async def test_without_the_filter_postgres_decides(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    without_filter(monkeypatch)
    walk = Walk(school, library(topics=3, wordings=2), SEED + 1)
    await walk.run(SHORT)
    assert walk.counts["answered, best unscoped hit foreign"] >= SOME


@pytest.mark.long
async def test_without_both_the_walk_is_red(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    without_filter(monkeypatch)
    without_look_into_postgres(monkeypatch)
    with pytest.raises(ForeignPassage):
        await Walk(school, library(topics=3, wordings=2), SEED + 2).run(SHORT)


async def test_the_filter_alone_is_not_enough(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lags behind deletions and new versions: only Postgres knows of them at once."""
    without_look_into_postgres(monkeypatch)
    with pytest.raises(ForeignPassage):
        await Walk(school, library(topics=3, wordings=2), SEED + 3).run(SHORT)


@pytest.mark.long
async def test_without_scope_in_cache_names_postgres_decides(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    without_scope_in_cache_names(monkeypatch)
    walk = Walk(school, library(topics=3, wordings=2), SEED + 4, look_into_cache=False, expect_answers=False)
    await walk.run(SHORT)
    assert walk.counts["answered, best unscoped hit foreign"] >= SOME


@pytest.mark.parametrize("way", [asking.search, asking.chat_json], ids=["search", "answers"])
@pytest.mark.parametrize("scope_in_names", [True, False])
async def test_names_alone_keep_a_cached_result_from_others(
    school: School, monkeypatch: pytest.MonkeyPatch, way: asking.Ask, scope_in_names: bool
) -> None:
    """With Postgres silenced, an administrator's cached result reaches a student exactly when the name has no scope."""
    admin, student = school.model.people[:2]
    taught, other = list(school.model.courses.values())[:2]
    file = library(topics=2, wordings=1)[0]
    await school.upload(admin, taught, file)
    await school.enrol(student, other)
    await school.work()
    school.model.work()
    without_look_into_postgres(monkeypatch)
    if not scope_in_names:
        without_scope_in_cache_names(monkeypatch)
    for_admin = await way(school, admin, file.topic.question, None)
    assert for_admin is not None
    assert for_admin.evidence
    for_student = await way(school, student, file.topic.question, None)
    assert for_student is not None
    if scope_in_names:
        asking.check(school, student, None, for_student)
        assert not for_student.evidence
    else:
        with pytest.raises(ForeignPassage):
            asking.check(school, student, None, for_student)
