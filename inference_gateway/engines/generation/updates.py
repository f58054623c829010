"""What the adapters of a batch's rows add to a layer's output: all adapters in one multiplication, not one after the other."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import torch
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn

BASE: Final = "__base__"
"""PEFT's word for a row without an adapter."""

MOST_UNUSED = 2
"""Matrices that lie side by side stay while at most that many times as many adapters lie there as rows have."""


class Spread(msgspec.Struct, frozen=True):
    """Where the rows of a pass go: each adapter has `width` places, `given` says which row is at each.

    `rows` are those with an adapter, None for all, and `places` theirs. Both are None where each row is at its own number.
    """

    width: int
    given: Tensor | None
    places: Tensor | None
    rows: Tensor | None


class Updates:
    """The rows of the pass under way, and copies of their adapters' matrices side by side, which last until those change.

    While all rows have the same adapter nothing is copied.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._is_resting = True
        self._rows: tuple[str, ...] = ()
        self._only: str | None = None
        self._spread: Spread | None = None
        self._names: tuple[str, ...] = ()
        self._stacks: dict[LoraLayer, tuple[Tensor, Tensor] | None] = {}
        self._pairs: dict[tuple[LoraLayer, str], tuple[Tensor, Tensor, float] | None] = {}

    def rest(self) -> None:
        """Add nothing until `aim` is called."""
        self._is_resting = True

    def aim(self, rows: Sequence[str]) -> None:
        """Add the updates of the adapter `rows[i]` to row i from now on."""
        self._is_resting = False
        if tuple(rows) == self._rows:
            return
        self._rows = tuple(rows)
        named = tuple(dict.fromkeys(row for row in rows if row != BASE))
        self._only = named[0] if len(named) == 1 and BASE not in rows else None
        if not named or self._only is not None:
            self._spread = None
            return
        if not set(named) <= set(self._names) or len(self._names) > MOST_UNUSED * len(named):
            self._names = named
            self._stacks.clear()
        self._spread = self._spread_out()

    def forget(self) -> None:
        """Let go of all matrices: adapters have come or gone."""
        self.rest()
        self._rows, self._only, self._spread, self._names = (), None, None, ()
        self._stacks.clear()
        self._pairs.clear()

    def add(self, layer: Any, given: Tensor, output: Tensor) -> Tensor:
        """Return `output` (rows, columns, out) with `scaling * B @ A @ given` of each row's adapter added.

        Raises:
            RuntimeError: the layer's input is not laid out by rows.
        """
        if self._is_resting:
            return output
        if self._only is not None:
            return self._add_one(layer, self._only, given, output)
        spread = self._spread
        if spread is None or (stack := self._stack(layer)) is None:
            return output
        if given.shape[0] != len(self._rows):
            raise RuntimeError("a layer's input is not laid out by rows")
        if spread.given is None or spread.places is None:
            return output + _multiply(stack, given, spread.width)
        update = _multiply(stack, given.index_select(0, spread.given), spread.width).index_select(0, spread.places)
        return output + update if spread.rows is None else output.index_add(0, spread.rows, update)

    def _add_one(self, layer: Any, name: str, given: Tensor, output: Tensor) -> Tensor:
        """Looking the matrices up in the layer takes as long as multiplying by small ones."""
        if (layer, name) not in self._pairs:
            self._pairs[layer, name] = _pair(layer, name)
        if (pair := self._pairs[layer, name]) is None:
            return output
        down, up, scaling = pair
        return output.add(nn.functional.linear(nn.functional.linear(given, down), up), alpha=scaling)

    def _spread_out(self) -> Spread:
        members = [[row for row, of in enumerate(self._rows) if of == name] for name in self._names]
        width = max(map(len, members))
        given = [row for rows in members for row in [*rows, *[0] * (width - len(rows))]]
        place_of = {row: number * width + at for number, rows in enumerate(members) for at, row in enumerate(rows)}
        rows = sorted(place_of)
        if given == list(range(len(self._rows))):
            return Spread(width, None, None, None)
        return Spread(
            width=width,
            given=torch.tensor(given, device=self._device),
            places=torch.tensor([place_of[row] for row in rows], device=self._device),
            rows=None if len(rows) == len(self._rows) else torch.tensor(rows, device=self._device),
        )

    def _stack(self, layer: Any) -> tuple[Tensor, Tensor] | None:
        if layer not in self._stacks:
            self._stacks[layer] = _stacked(layer, self._names)
        return self._stacks[layer]


def _pair(layer: Any, name: str) -> tuple[Tensor, Tensor, float] | None:
    if name not in layer.lora_A:
        return None
    return layer.lora_A[name].weight, layer.lora_B[name].weight, float(layer.scaling[name])


def _multiply(stack: tuple[Tensor, Tensor], given: Tensor, width: int) -> Tensor:
    """Return the updates (places, columns, out) of what was given to each place."""
    down, up = stack
    places, columns = given.shape[:2]
    narrow = torch.bmm(given.reshape(places // width, width * columns, -1), down)
    return torch.bmm(narrow, up).view(places, columns, -1)


def _stacked(layer: Any, names: Sequence[str]) -> tuple[Tensor, Tensor] | None:
    """Return A (names, in, rank) and scaled B (names, rank, out), zero where an adapter has none; None if all have none."""
    pairs = {number: pair for number, name in enumerate(names) if (pair := _pair(layer, name)) is not None}
    if not pairs:
        return None
    rank = max(down.shape[0] for down, _, _ in pairs.values())
    some_down, some_up, _ = next(iter(pairs.values()))
    all_down = some_down.new_zeros((len(names), some_down.shape[1], rank))
    all_up = some_up.new_zeros((len(names), rank, some_up.shape[0]))
    for number, (down, up, scaling) in pairs.items():
        all_down[number, :, : down.shape[0]] = down.T
        all_up[number, : down.shape[0]] = up.T * scaling
    return all_down, all_up
