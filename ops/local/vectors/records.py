"""What the engine returns, as Qdrant answers it."""

from typing import Any

import qdrant_edge as edge


def record(point: Any) -> dict[str, Any]:
    """Return a stored point; `payload` and `vector` are null where not asked for."""
    return {"id": point.id, "payload": point.payload, "vector": _vectors(point.vector)}


def found(point: Any) -> dict[str, Any]:
    """Return a scored point."""
    return {"version": point.version, "score": point.score, **record(point)}


def shard_facts(info: Any) -> dict[str, Any]:
    """Return the shard's counts and its payload indexes by field."""
    return {
        "points_count": info.points_count,
        "segments_count": info.segments_count,
        "payload_schema": {field: _index(index) for field, index in info.payload_schema.items()},
    }


def _vectors(vectors: Any) -> Any:
    if not isinstance(vectors, dict):
        return vectors
    return {
        name: {"indices": vector.indices, "values": vector.values} if isinstance(vector, edge.SparseVector) else vector
        for name, vector in vectors.items()
    }


def _index(index: Any) -> dict[str, Any]:
    kind = str(index.data_type).rpartition(".")[2].lower()
    parameters = index.params
    if isinstance(parameters, edge.KeywordIndexParams):
        return {"data_type": kind, "points": index.points, "params": {"type": kind, "is_tenant": parameters.is_tenant}}
    details = {"type": kind, "lookup": parameters.lookup, "range": parameters.range}
    return {"data_type": kind, "points": index.points, "params": details}
