"""Operations by name: decode the body, act, return the `result` of Qdrant's answer.

Reads are single steps. Writes are generators that give way after each slice; their return value is the result.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from ops.local.vectors import wire
from ops.local.vectors.collection import Collection
from ops.local.vectors.engine import Engine

Read = Callable[[Engine, str, bytes], Any]
Write = Callable[[Engine, str, bytes], Generator[None, None, Any]]
B = TypeVar("B")

COMPLETED = {"operation_id": None, "status": "completed"}


def _list(engine: Engine, _name: str, _body: bytes) -> Any:
    return {"collections": [{"name": name} for name in engine.names()]}


def _exists(engine: Engine, name: str, _body: bytes) -> Any:
    return {"exists": engine.exists(name)}


def _info(engine: Engine, name: str, _body: bytes) -> Any:
    collection = engine.collection(name)
    return {
        "status": "green",
        "optimizer_status": "ok",
        "indexed_vectors_count": 0,
        **collection.info(),
        "config": {
            "params": {
                "vectors": collection.entry.vectors,
                "sparse_vectors": collection.entry.sparse_vectors,
                "shard_number": 1,
                "replication_factor": 1,
                "write_consistency_factor": 1,
            },
            "hnsw_config": {"m": 0, "ef_construct": 0, "full_scan_threshold": 0},
            "optimizer_config": {"default_segment_number": 0, "flush_interval_sec": 5, "indexing_threshold": 0},
        },
    }


def _aliases(engine: Engine, _name: str, _body: bytes) -> Any:
    return {"aliases": engine.aliases()}


def _collection_aliases(engine: Engine, name: str, _body: bytes) -> Any:
    engine.collection(name)
    return {"aliases": [alias for alias in engine.aliases() if alias["collection_name"] == name]}


def _query(engine: Engine, name: str, body: bytes) -> Any:
    collection = engine.collection(name)
    return {"points": collection.query([wire.decode(body, wire.Query)])[0]}


def _query_batch(engine: Engine, name: str, body: bytes) -> Any:
    collection = engine.collection(name)
    return [{"points": points} for points in collection.query(wire.decode(body, wire.QueryBatch).searches)]


def _retrieve(engine: Engine, name: str, body: bytes) -> Any:
    return engine.collection(name).retrieve(wire.decode(body, wire.Retrieve))


def _scroll(engine: Engine, name: str, body: bytes) -> Any:
    return engine.collection(name).scroll(wire.decode(body, wire.Scroll))


def _count(engine: Engine, name: str, body: bytes) -> Any:
    return {"count": engine.collection(name).count(wire.decode(body, wire.Count))}


def _create(engine: Engine, name: str, body: bytes) -> Any:
    engine.create(name, wire.decode(body, wire.CreateCollection))
    return True


def _drop(engine: Engine, name: str, _body: bytes) -> Any:
    return engine.drop(name)


def _change_aliases(engine: Engine, _name: str, body: bytes) -> Any:
    engine.change_aliases(wire.decode(body, wire.ChangeAliases))
    return True


def _upsert(engine: Engine, name: str, body: bytes) -> Generator[None, None, Any]:
    collection = engine.collection(name)
    yield from collection.upsert(wire.decode(body, wire.Upsert))
    return COMPLETED


def _on_points(act: Callable[[Collection, B], None], kind: type[B]) -> Write:
    def operation(engine: Engine, name: str, body: bytes) -> Generator[None, None, Any]:
        yield from ()
        act(engine.collection(name), wire.decode(body, kind))
        return COMPLETED

    return operation


def _in_one_step(act: Read) -> Write:
    def operation(engine: Engine, name: str, body: bytes) -> Generator[None, None, Any]:
        yield from ()
        return act(engine, name, body)

    return operation


READS: dict[str, Read] = {
    "list_collections": _list,
    "collection_exists": _exists,
    "collection_info": _info,
    "list_aliases": _aliases,
    "list_collection_aliases": _collection_aliases,
    "query": _query,
    "query_batch": _query_batch,
    "retrieve": _retrieve,
    "scroll": _scroll,
    "count": _count,
}
WRITES: dict[str, Write] = {
    "create_collection": _in_one_step(_create),
    "delete_collection": _in_one_step(_drop),
    "change_aliases": _in_one_step(_change_aliases),
    "create_index": _on_points(Collection.create_index, wire.FieldIndex),
    "upsert": _upsert,
    "delete": _on_points(Collection.delete, wire.PointSelection),
    "set_payload": _on_points(Collection.set_payload, wire.SetPayload),
}
