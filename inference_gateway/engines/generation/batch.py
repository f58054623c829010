"""The sequences that grow together, one token each a step; they join and leave between steps."""

import torch
from torch import Tensor

from inference_gateway.engines.generation.cache import BatchCache
from inference_gateway.engines.generation.lora import BASE
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.sequence import Sequence


class Reading:
    """A sequence whose tokens are being read into a cache of its own, in chunks: what it gives depends on no other."""

    def __init__(self, model: LanguageModel, sequence: Sequence) -> None:
        self.sequence = sequence
        self.cache = BatchCache(len(sequence.tokens))
        self._model = model
        self._read = 0

    def advance(self, tokens: int) -> tuple[int, Tensor | None]:
        """Read up to `tokens` more; return how many, and at the end the logits (1, vocabulary) of the next token."""
        ids = torch.tensor([self.sequence.tokens[self._read : self._read + tokens]], device=self._model.device)
        positions = torch.arange(self._read, self._read + ids.shape[1], device=self._model.device).unsqueeze(0)
        logits = self._model.forward(ids, positions, None, self.cache, _adapters([self.sequence]))
        self._read += ids.shape[1]
        return ids.shape[1], logits if self._read == len(self.sequence.tokens) else None


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
        """Add a sequence that has been read and has its first new token."""
        self._lengths.append(reading.cache.window.columns)
        if self._cache is None:
            self._cache = reading.cache
        else:
            self._cache.join(reading.cache, max(self._lengths))
        self.sequences.append(reading.sequence)

    @torch.inference_mode()
    def drop(self, gone: set[Sequence]) -> None:
        """Let sequences leave; the order of the others may change."""
        for row in reversed(range(len(self.sequences))):
            if self.sequences[row] in gone:
                self._drop_row(row)

    def fits(self, sequence: Sequence, cache_tokens: int) -> bool:
        """Tell whether the cache would hold all, each grown to its end."""
        longest = max(one.final_length for one in [*self.sequences, sequence])
        return (len(self.sequences) + 1) * longest <= cache_tokens

    def _drop_row(self, row: int) -> None:
        """Put the last sequence in the place of one, as the cache does."""
        assert self._cache is not None
        self.sequences[row], self._lengths[row] = self.sequences[-1], self._lengths[-1]
        self.sequences.pop()
        self._lengths.pop()
        if self.sequences:
            self._cache.leave(row, max(self._lengths))
        else:
            self._cache = None

    def _mask(self, device: torch.device) -> Tensor | None:
        longest = max(self._lengths)
        if min(self._lengths) == longest:
            return None
        padding = torch.tensor([[longest - length] for length in self._lengths], device=device)
        return torch.arange(longest + 1, device=device) >= padding


def _adapters(rows: list[Sequence]) -> list[str]:
    return [row.adapter.id if row.adapter is not None else BASE for row in rows]
