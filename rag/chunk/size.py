"""How long a text is for an embedding model, without its tokenizer."""

import re

_PIECE = re.compile(r"\d{1,2}|[^\W\d_]{1,7}|[^\s]")


def estimate_tokens(text: str) -> int:
    """Return about how many word pieces `text` has for a BERT vocabulary; rather too many than too few."""
    return sum(1 for _ in _PIECE.finditer(text))
