"""Choosing the next token of every row at once."""

from collections.abc import Sequence as Many
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inference_gateway.engines.generation.sequence import Wish

MIN_TEMPERATURE = 1e-4
"""Below, logits divided by it may be too large for a float."""


class Allowing(Protocol):
    """What restricts the next token."""

    def allowed(self) -> npt.NDArray[np.bool_]: ...


class Chooser(Protocol):
    """A row's wish and its next draw."""

    @property
    def wish(self) -> Wish: ...

    @property
    def draw(self) -> float: ...

    @property
    def grammar(self) -> Allowing | None: ...


def choose(logits: Tensor, rows: Many[Chooser]) -> list[int | None]:
    """Return the next token of each row of `logits` (rows, vocabulary); None where none can be chosen.

    Temperature 0 takes the likeliest. Else the row's own draw is looked up in the distribution function over the
    vocabulary, in the order of the tokens: a difference of rounding moves its steps by that difference and no more.
    """
    logits = _restrict(logits.float(), rows)
    best, tokens = logits.max(dim=-1)
    sampled = [i for i, row in enumerate(rows) if row.wish.temperature > 0]
    if sampled:
        tokens[sampled] = _sample(logits[sampled], [rows[i] for i in sampled])
    finite = torch.isfinite(best).tolist()
    return [token if fine else None for token, fine in zip(tokens.tolist(), finite, strict=True)]


def _restrict(logits: Tensor, rows: Many[Chooser]) -> Tensor:
    """Make impossible what a row's grammar does not allow."""
    grammars = {i: row.grammar for i, row in enumerate(rows) if row.grammar is not None}
    if not grammars:
        return logits
    forbidden = torch.zeros(logits.shape, dtype=torch.bool)
    for i, grammar in grammars.items():
        allowed = torch.from_numpy(grammar.allowed()[: logits.shape[1]])
        forbidden[i] = True
        forbidden[i, : len(allowed)] = ~allowed
    return logits.masked_fill(forbidden.to(logits.device), -torch.inf)


def _sample(logits: Tensor, rows: Many[Chooser]) -> Tensor:
    temperatures = logits.new_tensor([max(row.wish.temperature, MIN_TEMPERATURE) for row in rows]).unsqueeze(1)
    probabilities = torch.softmax(logits / temperatures, dim=-1)
    if any(row.wish.top_p < 1 for row in rows):
        probabilities = _nucleus(probabilities, probabilities.new_tensor([row.wish.top_p for row in rows]))
    cumulative = probabilities.cumsum(dim=-1)
    draws = cumulative.new_tensor([row.draw for row in rows])
    places = torch.searchsorted(cumulative, (draws * cumulative[:, -1]).unsqueeze(1), right=True).squeeze(1)
    # Rounding may put a draw just below 1 past the end, or on a token that was cut off there.
    possible = torch.where(probabilities > 0, torch.arange(logits.shape[-1], device=logits.device), -1).amax(dim=-1)
    return torch.minimum(places, possible)


def _nucleus(probabilities: Tensor, top_p: Tensor) -> Tensor:
    """Set all to zero but the likeliest tokens that together reach `top_p`."""
    ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(dim=-1) - ordered
    kept = torch.where(before < top_p.unsqueeze(1), ordered, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, order, kept)
