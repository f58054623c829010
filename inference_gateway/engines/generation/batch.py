"""The sequences that grow together, one token each a step; they join and leave between steps."""

from collections.abc import Sequence as Many

import torch
from torch import Tensor

from inference_gateway.engines.generation.cache import BatchCache
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.sequence import Sequence
from inference_gateway.engines.generation.updates import BASE

PADDING = 0
"""Any token: what is computed for padding is never looked at."""

MAX_PADDING_SHARE = 0.25
"""Of a pass that reads prompts: beyond, two passes cost less than one."""


class Reading:
    """Sequences whose tokens are being read into a cache of their own, padded at the left, in as many passes as it takes."""

    def __init__(self, model: LanguageModel, sequences: Many[Sequence]) -> None:
        self.sequences = list(sequences)
        self.lengths = [len(sequence.tokens) for sequence in sequences]
        self._columns = max(self.lengths)
        self.cache = BatchCache(self._columns, len(sequences))
        self._model = model
        self._padding = [self._columns - length for length in self.lengths]
        self._read = 0

    def advance(self, budget: int) -> tuple[int, Tensor | None]:
        """Read up to `budget` more tokens, padding counted and at least one column.

        Returns how many, and at the end the logits (rows, vocabulary) of the next token of each.
        """
        start = self._read
        end = min(start + max(1, budget // len(self.sequences)), self._columns)
        device = self._model.device
        columns = torch.arange(end, device=device)
        padding = torch.tensor(self._padding, device=device).unsqueeze(1)
        positions = (columns[start:] - padding).clamp(min=0)
        mask = columns >= padding if any(self._padding) else None
        ids = torch.tensor([self._tokens(row, start, end) for row in range(len(self.sequences))], device=device)
        logits = self._model.forward(ids, positions, mask, self.cache, _adapters(self.sequences))
        self._read = end
        return ids.numel(), logits if end == self._columns else None

    def _tokens(self, row: int, start: int, end: int) -> list[int]:
        """Return what stands in columns of a row."""
        padding = self._padding[row]
        before = min(max(padding - start, 0), end - start)
        return [PADDING] * before + self.sequences[row].tokens[max(start - padding, 0) : max(end - padding, 0)]


class Batch:
    """Sequences and their common cache; row i of the cache belongs to `sequences[i]`."""

    def __init__(self, model: LanguageModel) -> None:
        self.sequences: list[Sequence] = []
        self._model = model
        self._cache: BatchCache | None = None
        self._lengths: list[int] = []

    def step(self) -> Tensor:
        """Read each sequence's last token and return the logits (rows, vocabulary) of the next."""
        assert self._cache is not None
        self._cache.make_room(1)
        device = self._model.device
        ids = torch.tensor([[sequence.tokens[-1]] for sequence in self.sequences], device=device)
        positions = torch.tensor([[length] for length in self._lengths], device=device)
        logits = self._model.forward(ids, positions, self._mask(device), self._cache, _adapters(self.sequences))
        self._lengths = [length + 1 for length in self._lengths]
        return logits

    @torch.inference_mode()
    def join(self, reading: Reading) -> None:
        """Add sequences that have been read to the end."""
        self._lengths += reading.lengths
        if self._cache is None:
            self._cache = reading.cache
        else:
            self._cache.join(reading.cache, max(self._lengths))
        self.sequences += reading.sequences

    @torch.inference_mode()
    def drop(self, gone: set[Sequence]) -> None:
        """Let sequences leave; the order of the others may change."""
        if gone.issuperset(self.sequences):
            self.sequences, self._lengths, self._cache = [], [], None
        for row in reversed(range(len(self.sequences))):
            if self.sequences[row] in gone:
                self._drop_row(row)

    def fits(self, more: Many[Sequence], cache_tokens: int) -> bool:
        """Tell whether the cache would hold all and more, each grown to its end."""
        all_ = [*self.sequences, *more]
        return len(all_) * max(one.final_length for one in all_) <= cache_tokens

    def _drop_row(self, row: int) -> None:
        """Put the last sequence in the place of one, as the cache does."""
        assert self._cache is not None
        self.sequences[row], self._lengths[row] = self.sequences[-1], self._lengths[-1]
        self.sequences.pop()
        self._lengths.pop()
        self._cache.leave(row, max(self._lengths))

    def _mask(self, device: torch.device) -> Tensor | None:
        longest = max(self._lengths)
        if min(self._lengths) == longest:
            return None
        padding = torch.tensor([[longest - length] for length in self._lengths], device=device)
        return torch.arange(longest + 1, device=device) >= padding


def is_worth_padding(sequences: Many[Sequence]) -> bool:
    """Tell whether one pass over all costs less than several."""
    lengths = [len(sequence.tokens) for sequence in sequences]
    return sum(lengths) >= (1 - MAX_PADDING_SHARE) * padded_tokens(sequences)


def padded_tokens(sequences: Many[Sequence]) -> int:
    """Return the tokens of a pass over all, padding counted."""
    return len(sequences) * max(len(sequence.tokens) for sequence in sequences)


def _adapters(rows: list[Sequence]) -> list[str]:
    return [row.adapter.id if row.adapter is not None else BASE for row in rows]
