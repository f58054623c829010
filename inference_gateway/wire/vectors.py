"""Vectors as the engines give them, told in the ways of the wires."""

import base64
import math


def base64_of(row: bytes) -> str:
    """Return the row as OpenAI's clients read it."""
    return base64.b64encode(row).decode()


def normalized(values: list[float]) -> list[float]:
    """Return the vector of length 1 in the same direction; a null vector stays one."""
    length = math.hypot(*values)
    return [value / length for value in values] if length > 0 else values


def sigmoid(logit: float) -> float:
    """Return a probability, for logits of any size."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
