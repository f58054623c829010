"""Fusion of two rankings by their scores."""

from uuid import UUID

from rag.retrieve.fusion import fuse
from rag.store import Hit


def hits(*scored: tuple[int, float]) -> list[Hit]:
    return [
        Hit(passage_id=UUID(int=n), document_id=UUID(int=0), version=1, course_id=UUID(int=0), score=score)
        for n, score in scored
    ]


def order(fused: list[Hit]) -> list[int]:
    return [hit.passage_id.int for hit in fused]


def test_what_both_find_comes_before_what_one_finds() -> None:
    assert order(fuse(hits((1, 10.0), (2, 9.0)), hits((3, 0.7), (2, 0.6)))) == [2, 1, 3]


def test_a_clear_lead_by_words_outweighs_a_small_one_by_meaning() -> None:
    assert order(fuse(hits((1, 20.0), (2, 5.0)), hits((2, 0.62), (1, 0.60)))) == [1, 2]


def test_one_search_alone_keeps_its_order() -> None:
    assert order(fuse(hits((3, 7.0), (1, 5.0), (2, 1.0)), [])) == [3, 1, 2]
    assert order(fuse([], hits((2, 0.9), (1, 0.1)))) == [2, 1]
    assert fuse([], []) == []


def test_scores_lie_between_nothing_and_one_whatever_was_found() -> None:
    fused = fuse(hits((1, 0.0)), hits((2, -0.3), (1, 1.0)))

    assert all(0.0 <= hit.score <= 1.0 for hit in fused)


def test_equal_scores_have_one_order() -> None:
    assert order(fuse(hits((2, 1.0), (1, 1.0)), [])) == order(fuse(hits((1, 1.0), (2, 1.0)), [])) == [1, 2]
