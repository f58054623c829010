"""What a safetensors file says of itself, read without a model library (format: github.com/huggingface/safetensors).

Only LoRA matrices are taken, and no pickle is ever opened: a file that is anything else is refused by its first bytes.
"""

import json
import re
from typing import Any, Final

import msgspec

from inference_gateway.adapters.faults import WeightsCorrupt

LENGTH_BYTES: Final = 8
MAX_HEADER_BYTES: Final = 4 * 1024 * 1024
METADATA: Final = "__metadata__"
ITEM_BYTES: Final = {"F32": 4, "F16": 2, "BF16": 2}
_MATRIX: Final = re.compile(r"base_model\.model\.(?P<module>[A-Za-z0-9_.]+)\.lora_(?P<side>[AB])\.weight")


class _Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class Matrices(msgspec.Struct, frozen=True, kw_only=True):
    """The one rank of all pairs, and the full names of the modules they adapt."""

    rank: int
    modules: frozenset[str]


def read_matrices(data: bytes) -> Matrices:
    """Return what the file adapts.

    Raises:
        WeightsCorrupt: it is not safetensors, or holds anything but pairs of LoRA matrices of one rank.
    """
    sides: dict[str, set[str]] = {"A": set(), "B": set()}
    ranks: set[int] = set()
    for name, tensor in _header(data).items():
        matrix = _MATRIX.fullmatch(name)
        if matrix is None or len(tensor.shape) != 2:
            raise WeightsCorrupt("holds something else than LoRA matrices")
        sides[matrix["side"]].add(matrix["module"])
        ranks.add(tensor.shape[0 if matrix["side"] == "A" else 1])
    if sides["A"] != sides["B"] or len(ranks) != 1:
        raise WeightsCorrupt("matrices without their other half, or of several ranks")
    return Matrices(rank=ranks.pop(), modules=frozenset(sides["A"]))


def check_modules(matrices: Matrices, rank: int, target_modules: tuple[str, ...]) -> None:
    """Compare with a manifest: each module's name ends with a target, each target is met, the rank is the same.

    Raises:
        WeightsCorrupt: they differ.
    """
    ends = tuple(f".{target}" for target in target_modules)
    strays = [name for name in matrices.modules if not f".{name}".endswith(ends)]
    idle = [end for end in ends if not any(f".{name}".endswith(end) for name in matrices.modules)]
    if strays or idle or matrices.rank != rank:
        raise WeightsCorrupt("other modules or another rank than the manifest says")


def _header(data: bytes) -> dict[str, _Tensor]:
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    end = LENGTH_BYTES + length
    if len(data) < LENGTH_BYTES or length > MAX_HEADER_BYTES or end > len(data):
        raise WeightsCorrupt("not safetensors")
    try:
        header = msgspec.convert(json.loads(data[LENGTH_BYTES:end]), dict[str, Any])
        header.pop(METADATA, None)
        tensors = msgspec.convert(header, dict[str, _Tensor])
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        raise WeightsCorrupt("not safetensors") from None
    if not all(_fits(tensor, len(data) - end) for tensor in tensors.values()):
        raise WeightsCorrupt("tensors that lie outside the file, or of a kind that is not served")
    return tensors


def _fits(tensor: _Tensor, size: int) -> bool:
    begin, end = tensor.data_offsets
    items = 1
    for extent in tensor.shape:
        items *= extent
    return 0 <= begin <= end <= size and items > 0 and end - begin == items * ITEM_BYTES.get(tensor.dtype, 0)
