"""Checks of vectors against their collection. The engine stores NaN, infinity and doubled dimensions without a word."""

from collections.abc import Mapping
from typing import Any

import qdrant_edge as edge

from ops.local.vectors.errors import bad_request
from ops.local.vectors.wire import FLOAT32_MAX, SparseVector, SparseVectorParameters, Vector, VectorParameters


class VectorSpace:
    """The named vectors of one collection."""

    def __init__(self, dense: Mapping[str, VectorParameters], sparse: Mapping[str, SparseVectorParameters]) -> None:
        self._dense = dense
        self._sparse = sparse

    def checked(self, name: str, vector: Vector) -> Any:
        """Return the vector as the engine takes it.

        Raises:
            RefusedError: 400 for an unknown name, the wrong kind or length, or a number that float32 cannot hold.
        """
        if name in self._dense:
            return self._checked_dense(name, vector)
        if name in self._sparse:
            return _checked_sparse(name, vector)
        raise bad_request(f"Not existing vector name error: {name}")

    def _checked_dense(self, name: str, vector: Vector) -> list[float]:
        if isinstance(vector, SparseVector):
            raise bad_request(f"Vector `{name}` is dense, a sparse one was given")
        expected = self._dense[name].size
        if len(vector) != expected:
            raise bad_request(f"Vector dimension error: expected dim: {expected}, got {len(vector)}")
        _check_finite(vector)
        return vector


def _checked_sparse(name: str, vector: Vector) -> edge.SparseVector:
    if not isinstance(vector, SparseVector):
        raise bad_request(f"Vector `{name}` is sparse, a dense one was given")
    if len(vector.indices) != len(vector.values):
        raise bad_request("Validation error: a sparse vector needs as many values as indices")
    if len(set(vector.indices)) != len(vector.indices):
        raise bad_request("Validation error: the indices of a sparse vector must be unique")
    if vector.values:
        _check_finite(vector.values)
    return edge.SparseVector(vector.indices, vector.values)


def _check_finite(values: list[float]) -> None:
    # JSON has no NaN, so the extremes tell all.
    if not (min(values) >= -FLOAT32_MAX and max(values) <= FLOAT32_MAX):
        raise bad_request("Validation error: a vector holds a number that float32 cannot")
