"""Memory of the device: how many tokens fit beside the weights, and what its end looks like."""

import gc
from typing import Any

import psutil
import torch

SHARE_FOR_CACHE = {"cuda": 0.8, "mps": 0.6, "cpu": 0.5}
"""Of what is free once the weights are loaded. The rest is for the step itself."""

MIN_CACHE_TOKENS = 512
_EXHAUSTED = ("out of memory", "not enough memory", "can't allocate memory")


def cache_tokens(config: Any, device: torch.device, dtype: torch.dtype) -> int:
    """Return how many tokens' keys and values may be held, padding counted."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    bytes_per_token = 2 * config.num_hidden_layers * heads * head_size * dtype.itemsize
    budget = _free_bytes(device) * SHARE_FOR_CACHE[device.type]
    return max(int(budget / bytes_per_token), MIN_CACHE_TOKENS)


def is_exhausted(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out, on a GPU or of the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _EXHAUSTED)


def release(device: torch.device) -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return int(psutil.virtual_memory().available)
