"""How the next token is chosen."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from inference_gateway.engines.generation.sampling import choose
from inference_gateway.engines.generation.sequence import Wish

PROBABILITIES = torch.tensor([0.1, 0.4, 0.2, 0.3])
LOGITS = PROBABILITIES.log().unsqueeze(0)


class Row(msgspec.Struct):
    """A wish and a draw."""

    wish: Wish
    draw: float
    grammar: Any = None


def row(temperature: float, draw: float = 0.5, top_p: float = 1.0) -> Row:
    return Row(Wish(max_tokens=1, temperature=temperature, top_p=top_p), draw)


def drawn(temperature: float, top_p: float = 1.0, draws: int = 1000) -> dict[int, float]:
    rows = [row(temperature, (i + 0.5) / draws, top_p) for i in range(draws)]
    counts = Counter(choose(LOGITS.expand(draws, -1), rows))
    return {token: count / draws for token, count in counts.items() if token is not None}


def test_temperature_0_takes_the_likeliest() -> None:
    assert choose(LOGITS.expand(3, -1), [row(0.0, 0.0), row(0.0, 0.999), row(0.0)]) == [1, 1, 1]


def test_draws_follow_the_distribution() -> None:
    assert drawn(1.0) == pytest.approx(dict(enumerate(PROBABILITIES.tolist())), abs=2e-3)


def test_a_higher_temperature_flattens_and_a_tiny_one_is_greedy() -> None:
    assert drawn(100.0)[0] == pytest.approx(0.25, abs=0.01)
    assert drawn(1e-30) == {1: 1.0}


@pytest.mark.parametrize(("top_p", "kept"), [(0.3, {1}), (0.5, {1, 3}), (0.85, {1, 2, 3}), (1.0, {0, 1, 2, 3})])
def test_top_p_keeps_the_likeliest_that_together_reach_it(top_p: float, kept: set[int]) -> None:
    told = drawn(1.0, top_p)

    assert set(told) == kept
    total = sum(PROBABILITIES[token].item() for token in kept)
    assert told == pytest.approx({token: PROBABILITIES[token].item() / total for token in kept}, abs=3e-3)


@pytest.mark.parametrize("draw", [0.0, 1 - 1e-16])
def test_the_ends_of_the_distribution_give_possible_tokens(draw: float) -> None:
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]])

    assert choose(logits, [row(1.0, draw)])[0] in (1, 2)


def test_each_row_has_its_own_wish() -> None:
    assert choose(LOGITS.expand(3, -1), [row(0.0), row(1.0, 0.01), row(1.0, 0.99, top_p=0.3)]) == [1, 0, 1]


def test_a_row_that_is_not_finite_has_no_token() -> None:
    logits = torch.stack([LOGITS[0], torch.full((4,), torch.nan), LOGITS[0]])

    assert choose(logits, [row(0.0), row(1.0), row(0.0)]) == [1, None, 1]


class Only:
    """Allows some tokens."""

    def __init__(self, *tokens: int) -> None:
        self._tokens = tokens

    def allowed(self) -> Any:
        return np.isin(np.arange(32), self._tokens)


def test_a_grammar_restricts_its_own_row() -> None:
    rows = [row(0.0), Row(Wish(max_tokens=1), 0.5, Only(0, 2)), Row(Wish(max_tokens=1, temperature=1.0), 0.5, Only(3))]

    assert choose(LOGITS.expand(3, -1), rows) == [1, 2, 3]


def test_a_grammar_that_allows_nothing_gives_no_token() -> None:
    assert choose(LOGITS, [Row(Wish(max_tokens=1), 0.5, Only())]) == [None]
