import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.store.sparse import AVERAGE_LENGTH, document_vector, query_vector, term_index

ROOT = Path(__file__).parents[3]


def test_terms_keep_their_dimension() -> None:
    assert [term_index(term) for term in ("matrix", "مصفوف", "")] == [2181439341, 2067724221, 309448485]


def test_dimensions_do_not_depend_on_the_process() -> None:
    program = "from rag.store.sparse import term_index; print(term_index('eigenvalue'), term_index('الجبر'))"
    for seed in ("0", "1"):
        output = subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, check=True
        ).stdout
        assert output.split() == [str(term_index("eigenvalue")).encode(), str(term_index("الجبر")).encode()]


def test_weights_are_bm25_without_idf() -> None:
    tokens = ["a"] * 3 + ["b"] + ["c"] * 146
    norm = 1.2 * (0.25 + 0.75 * len(tokens) / AVERAGE_LENGTH)
    vector = document_vector(tokens)
    weights = dict(zip(vector.indices, vector.values, strict=True))
    assert weights == {
        term_index("a"): pytest.approx(3 * 2.2 / (3 + norm)),
        term_index("b"): pytest.approx(1 * 2.2 / (1 + norm)),
        term_index("c"): pytest.approx(146 * 2.2 / (146 + norm)),
    }


def test_a_question_counts_its_terms() -> None:
    vector = query_vector(["a", "b", "a"])
    assert dict(zip(vector.indices, vector.values, strict=True)) == {term_index("a"): 2.0, term_index("b"): 1.0}


def test_no_tokens_make_an_empty_vector() -> None:
    assert not document_vector([])
    assert not query_vector([])


def test_colliding_terms_share_a_dimension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.sparse.term_index", lambda _term: 7)
    assert query_vector(["a", "b"]).indices == (7,)
    assert query_vector(["a", "b"]).values == (2.0,)


@given(st.lists(st.text(max_size=8), max_size=300))
def test_vectors_are_well_formed(tokens: list[str]) -> None:
    vector = document_vector(tokens)
    assert len(vector.indices) == len(vector.values)
    assert list(vector.indices) == sorted(set(vector.indices))
    assert all(0 <= index < 2**32 for index in vector.indices)
    assert all(0 < value < 2.2 and math.isfinite(value) for value in vector.values)
