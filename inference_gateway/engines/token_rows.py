"""Padded batches of tokens taken apart into rows, and rows put together into batches of other company."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

Row = dict[str, Any]


def split_rows(features: dict[str, Any], count: int) -> list[Row] | None:
    """Cut padded features into rows without padding; None where a model's features are not rows of tokens."""
    mask = features.get("attention_mask")
    ids = features.get("input_ids")
    if not isinstance(mask, Tensor) or not isinstance(ids, Tensor) or ids.shape != mask.shape or ids.ndim != 2:
        return None
    if any(isinstance(value, Tensor) and value.shape != mask.shape for value in features.values()):
        return None
    keep = mask.bool()
    return [
        {key: value[i][keep[i]] if isinstance(value, Tensor) else value for key, value in features.items()}
        for i in range(count)
    ]


class Padding:
    """Pads as one tokenizer does."""

    def __init__(self, tokenizer: Any) -> None:
        self._values = {
            "input_ids": getattr(tokenizer, "pad_token_id", None) or 0,
            "token_type_ids": getattr(tokenizer, "pad_token_type_id", None) or 0,
        }
        self._side = getattr(tokenizer, "padding_side", "right")

    def join(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the rows as one padded batch."""
        return {key: self._pad(key, rows) if isinstance(value, Tensor) else value for key, value in rows[0].items()}

    def _pad(self, key: str, rows: Sequence[Row]) -> Tensor:
        return pad_sequence(
            [row[key] for row in rows],
            batch_first=True,
            padding_value=self._values.get(key, 0),
            padding_side=self._side,
        )
