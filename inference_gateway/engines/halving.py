"""A batch for which memory does not suffice is computed in halves."""

from collections.abc import Callable, Sequence

import torch

from inference_gateway.engines.batching import Prepared
from inference_gateway.engines.generation.memory import is_exhausted, release
from ops.runtime.logging import get_logger

log = get_logger(__name__)

Compute = Callable[[Sequence[Prepared]], list[bytes]]


def in_halves(compute: Compute, batch: Sequence[Prepared], device: torch.device) -> list[bytes]:
    """Return what `compute` gives for the batch, or for its halves; raises its error when not even one item fits."""
    try:
        return compute(batch)
    except Exception as error:
        if len(batch) == 1 or not is_exhausted(error):
            raise
    # Outside the handler: the error's frames hold tensors, which must be gone before memory is given back.
    log.warning("batch_halved", texts=len(batch))
    release(device)
    middle = len(batch) // 2
    return [*in_halves(compute, batch[:middle], device), *in_halves(compute, batch[middle:], device)]
