"""Letter statistics of a text (py3langid's naive Bayes), loaded once a process and held in 25 MB instead of 80.

The model knows 142 languages; kept are the columns of those we ask about. Its automaton is a table of states by bytes; four
in five of its entries are those of the first state and are left out.
"""

import threading
from array import array
from collections.abc import Collection
from typing import Any

import numpy as np
from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier
from py3langid.modelio import load_model

_BYTES = 256
_loading = threading.Lock()


class LetterStatistics:
    """How likely a text is in each of `languages` (ISO 639-1). Loads its model (0.5 s) when first asked."""

    def __init__(self, languages: Collection[str]) -> None:
        self._languages = frozenset(languages)
        self._identifier: Any = None

    def rank(self, text: str, candidates: Collection[str]) -> list[tuple[str, float]]:
        """Return the candidates with their log-likelihoods, the likeliest first."""
        return [(language, score) for language, score in self._loaded().rank(text) if language in candidates]

    def load(self) -> None:
        """Load the model now."""
        self._loaded()

    def _loaded(self) -> Any:
        if self._identifier is None:
            with _loading:
                if self._identifier is None:
                    self._identifier = _load(self._languages)
        return self._identifier


class _Transitions:
    """The automaton's table, indexed by row × 256 + byte as the full one would be."""

    def __init__(self, table: "array[int]", first_row: int) -> None:
        full = np.frombuffer(table, dtype=np.uint32).reshape(-1, _BYTES)
        usual = full[first_row]
        differs = full != usual
        self._usual = usual.tolist()
        self._targets = array("I", full[differs].tobytes())
        self._columns = np.nonzero(differs)[1].astype(np.uint8).tobytes()
        self._starts = array("I", np.concatenate(([0], np.cumsum(differs.sum(axis=1)))).astype(np.uint32).tobytes())

    def __getitem__(self, index: int) -> int:
        row, byte = divmod(index, _BYTES)
        at = self._columns.find(byte, self._starts[row], self._starts[row + 1])
        target: int = self._targets[at] if at >= 0 else self._usual[byte]
        return target


def _load(languages: frozenset[str]) -> Any:
    weights, priors, names, table, rows, features = load_model(MODEL_DIR / MODEL_FILE)
    kept = [column for column, name in enumerate(names) if name in languages]
    return LanguageIdentifier(
        weights[:, kept],
        priors[kept],
        [names[column] for column in kept],
        _Transitions(table, rows[0]),
        array("i", features),
        tk_row=rows,
    )
