"""Keys and values of all sequences of a batch, in one buffer a layer that is written in place.

Rows are sequences; all end in the same column, so a step writes one column and reads a slice, and masks that count
columns (sliding windows too) hold for every row. What is not a sequence's own is zero, or was read for the padding before a
shorter prompt: attention gives it no weight, but nothing that is not a number may stand there.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

SLACK_COLUMNS = 128


@dataclass
class Window:
    """The part of every layer's buffer that is in use: `rows`, and the columns from `start` up to `end`."""

    rows: int = 1
    start: int = 0
    end: int = 0
    row_capacity: int = 1
    capacity: int = SLACK_COLUMNS

    @property
    def columns(self) -> int:
        """Columns in use."""
        return self.end - self.start


class BufferLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer's keys and values, each of shape (rows, heads, columns, head size)."""

    is_sliding = False  # all columns are kept; the model's own mask knows its window

    def __init__(self, window: Window) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys: Tensor
        self.values: Tensor
        self._window = window

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Make the buffers."""
        self.keys, self.values = self._zeros(key_states), self._zeros(value_states)
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: object, **_kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Write new columns and return all that are in use."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        window = self._window
        end = window.end + key_states.shape[-2]
        self.keys[: window.rows, :, window.end : end] = key_states
        self.values[: window.rows, :, window.end : end] = value_states
        used = (slice(window.rows), slice(None), slice(window.start, end))
        return self.keys[used], self.values[used]

    def get_seq_length(self) -> int:
        """Return the columns in use."""
        return self._window.columns

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how many columns a mask must cover, and where they begin."""
        return self._window.columns + query_length, 0

    def get_max_length(self) -> int:
        """No limit."""
        return -1

    def move(self, before: Window, offset: int) -> None:
        """Take buffers of the window's size, with the columns that were in use at `offset`."""
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = self._zeros(old)
            new[: before.rows, :, offset : offset + before.columns] = old[: before.rows, :, before.start : before.end]
            setattr(self, name, new)

    def fill_rows(self, other: "BufferLayer") -> None:
        """Copy all that another cache has in use into rows after the last."""
        mine, theirs = self._window, other._window  # noqa: SLF001 - of the same class
        rows = slice(mine.rows, mine.rows + theirs.rows)
        columns = slice(mine.end - theirs.columns, mine.end)
        for buffer, given in ((self.keys, other.keys), (self.values, other.values)):
            buffer[rows, :, columns] = given[: theirs.rows, :, theirs.start : theirs.end]

    def empty_row(self, row: int, last: int) -> None:
        """Put the last row in the place of `row`."""
        used = slice(self._window.start, self._window.end)
        for buffer in (self.keys, self.values):
            if row != last:
                buffer[row, :, used] = buffer[last, :, used]
            buffer[last, :, used] = 0

    def _zeros(self, like: Tensor) -> Tensor:
        shape = (self._window.row_capacity, like.shape[1], self._window.capacity, like.shape[3])
        return torch.zeros(shape, dtype=like.dtype, device=like.device)


class BatchCache(Cache):
    """The cache of a batch, or of sequences that are being read."""

    def __init__(self, columns: int, rows: int = 1) -> None:
        self.window = Window(rows=rows, row_capacity=rows, capacity=columns + SLACK_COLUMNS)
        make_layer: Any = lambda: BufferLayer(self.window)  # noqa: E731 - the library calls it a class
        super().__init__(layer_class_to_replicate=make_layer)

    @property
    def buffers(self) -> list[BufferLayer]:
        """The layers."""
        return [layer for layer in self.layers if isinstance(layer, BufferLayer)]

    def make_room(self, new: int) -> None:
        """Have room for `new` more columns."""
        if self.window.end + new > self.window.capacity:
            self._move(self.window.row_capacity, offset=0, columns=self.window.columns + new)

    def advance(self, new: int) -> None:
        """Count columns that a forward pass has written."""
        self.window.end += new

    def join(self, other: "BatchCache", longest: int) -> None:
        """Add the sequences of another cache as the last rows; `longest` is the longest of all rows then."""
        window = self.window
        rows = window.rows + other.window.rows
        if rows > window.row_capacity or other.window.columns > window.end:
            row_capacity = max(window.row_capacity, 1 << (rows - 1).bit_length())
            self._move(row_capacity, offset=longest - window.columns, columns=longest)
        for layer, theirs in zip(self.buffers, other.buffers, strict=True):
            layer.fill_rows(theirs)
        window.rows = rows
        window.start = window.end - longest

    def leave(self, row: int, longest: int) -> None:
        """Drop a row and put the last in its place; `longest` is the longest of those that stay."""
        last = self.window.rows - 1
        for layer in self.buffers:
            layer.empty_row(row, last)
        self.window.rows = last
        self.window.start = self.window.end - longest

    def _move(self, row_capacity: int, offset: int, columns: int) -> None:
        before = Window(**vars(self.window))
        window = self.window
        window.row_capacity = row_capacity
        window.capacity = columns + max(SLACK_COLUMNS, columns // 4)
        window.start, window.end = offset, offset + before.columns
        for layer in self.buffers:
            layer.move(before, offset)
