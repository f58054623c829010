"""One collection: an open engine shard and what it was made for."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from ops.local.vectors.catalogue import CollectionEntry
from ops.local.vectors.errors import bad_request, engine_errors, unsupported
from ops.local.vectors.filters import parse_filter
from ops.local.vectors.queries import parse_query, payload_selector
from ops.local.vectors.records import found, record, shard_facts
from ops.local.vectors.vectors import VectorSpace
from ops.local.vectors.wire import (
    Count,
    FieldIndex,
    IntegerIndex,
    KeywordIndex,
    PointSelection,
    PointStruct,
    Query,
    Retrieve,
    Scroll,
    SetPayload,
    Upsert,
    convert,
)

SLICE_POINTS = 64
"""Points written at a time; searches get their turn in between, so this bounds how long they wait."""

# Without HNSW every search is exact and `optimize` only drops deleted points.
_NEVER_INDEX_KILOBYTES = 10**9
_DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Dot": edge.Distance.Dot,
    "Euclid": edge.Distance.Euclid,
    "Manhattan": edge.Distance.Manhattan,
}


class Collection:
    """Reads, and writes that are in the write-ahead log when they return. Not for use by two threads."""

    def __init__(self, entry: CollectionEntry, shard: edge.EdgeShard) -> None:
        self.entry = entry
        self._shard = shard
        self._space = VectorSpace(entry.vectors, entry.sparse_vectors)
        self._unflushed = False
        self._unvacuumed = False

    @classmethod
    def create(cls, entry: CollectionEntry, root: Path) -> "Collection":
        """Make the collection's files."""
        folder = root / entry.folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with engine_errors():
            return cls(entry, edge.EdgeShard.create(str(folder), _engine_config(entry)))

    @classmethod
    def load(cls, entry: CollectionEntry, root: Path) -> "Collection":
        """Open the collection's files, replaying the log."""
        return cls(entry, edge.EdgeShard.load(str(root / entry.folder)))

    def upsert(self, body: Upsert) -> Iterator[None]:
        """Store points slice by slice, all of them checked before the first is written."""
        points = [self._point(point) for point in _rows(body)]
        for start in range(0, len(points), SLICE_POINTS):
            self._update(edge.UpdateOperation.upsert_points(points[start : start + SLICE_POINTS]))
            yield

    def delete(self, body: PointSelection) -> None:
        """Delete the selected points."""
        ids, only = _selected(body)
        delete = edge.UpdateOperation
        self._update(delete.delete_points(ids) if only is None else delete.delete_points_by_filter(only))

    def set_payload(self, body: SetPayload) -> None:
        """Set fields of the selected points' payloads."""
        ids, only = _selected(body)
        change = edge.UpdateOperation
        if only is None:
            self._update(change.set_payload(ids, body.payload))
        else:
            self._update(change.set_payload_by_filter(only, body.payload))

    def create_index(self, body: FieldIndex) -> None:
        """Index a payload field as keyword or integer."""
        self._update(edge.UpdateOperation.create_field_index(body.field_name, _index_parameters(body)))

    def query(self, queries: list[Query]) -> list[list[dict[str, Any]]]:
        """Search; one list of scored points for each query, best first."""
        requests = [parse_query(query, self._space) for query in queries]
        with engine_errors():
            results = self._shard.query_batch(edge.QueryBatchRequest(requests))
        return [[found(point) for point in points] for points in results]

    def retrieve(self, body: Retrieve) -> list[dict[str, Any]]:
        """Read points by id; unknown ones are left out."""
        with engine_errors():
            records = self._shard.retrieve([*body.ids], payload_selector(body.with_payload), body.with_vector or False)
        return [record(each) for each in records]

    def scroll(self, body: Scroll) -> dict[str, Any]:
        """Read points in the order of their ids from `offset` on."""
        request = edge.ScrollRequest(
            offset=body.offset,
            limit=body.limit,
            filter=parse_filter(body.filter),
            with_payload=payload_selector(body.with_payload),
            with_vector=body.with_vector or False,
        )
        with engine_errors():
            records, following = self._shard.scroll(request)
        return {"points": [record(each) for each in records], "next_page_offset": following}

    def count(self, body: Count) -> int:
        """Count points, exactly unless an estimate was asked for."""
        with engine_errors():
            return int(self._shard.count(edge.CountRequest(body.exact, parse_filter(body.filter))))

    def info(self) -> dict[str, Any]:
        """Return what the engine tells of the shard."""
        with engine_errors():
            return shard_facts(self._shard.info())

    def flush(self) -> None:
        """Bring changes from the log to their places, and with them safe from a loss of power."""
        if self._unflushed:
            self._shard.flush()
            self._unflushed = False

    def vacuum(self) -> float | None:
        """Drop deleted points' remains where enough piled up; return the seconds it took, None where nothing was to do."""
        if not self._unvacuumed:
            return None
        started = time.monotonic()
        self._unvacuumed = False
        return time.monotonic() - started if self._shard.optimize() else None

    def close(self) -> None:
        """Flush and let go of the files."""
        self.flush()
        self._shard.close()

    def _update(self, operation: edge.UpdateOperation) -> None:
        self._unflushed = self._unvacuumed = True
        with engine_errors():
            self._shard.update(operation)

    def _point(self, point: PointStruct) -> edge.Point:
        vectors = {name: self._space.checked(name, vector) for name, vector in point.vector.items()}
        with engine_errors():
            return edge.Point(point.id, vectors, point.payload)


def _engine_config(entry: CollectionEntry) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        vectors={
            name: edge.EdgeVectorParams(vector.size, _DISTANCES[vector.distance])
            for name, vector in entry.vectors.items()
        },
        sparse_vectors={
            name: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf if vector.modifier == "idf" else None)
            for name, vector in entry.sparse_vectors.items()
        },
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NEVER_INDEX_KILOBYTES),
    )


def _rows(body: Upsert) -> list[PointStruct]:
    if (body.points is None) == (body.batch is None):
        raise bad_request("an upsert takes either points or a batch")
    if body.batch is None:
        return body.points or []
    ids, columns = body.batch.ids, body.batch.vectors
    payloads = body.batch.payloads or [None] * len(ids)
    if {len(ids)} != {len(payloads), *map(len, columns.values())}:
        raise bad_request("the columns of a batch differ in length")
    return [
        PointStruct(
            id=identifier, vector={name: column[row] for name, column in columns.items()}, payload=payloads[row]
        )
        for row, identifier in enumerate(ids)
    ]


def _selected(body: PointSelection) -> tuple[list[int | UUID | str], edge.Filter | None]:
    if (body.points is None) == (body.filter is None):
        raise bad_request("either points or a filter has to be given")
    return [*(body.points or ())], parse_filter(body.filter)


def _index_parameters(body: FieldIndex) -> edge.KeywordIndexParams | edge.IntegerIndexParams:
    schema = {"type": body.field_schema} if isinstance(body.field_schema, str) else body.field_schema
    match schema.get("type"):
        case "keyword":
            keyword = convert(schema, KeywordIndex, "field_schema")
            return edge.KeywordIndexParams(is_tenant=keyword.is_tenant)
        case "integer":
            integer = convert(schema, IntegerIndex, "field_schema")
            return edge.IntegerIndexParams(
                lookup=True if integer.lookup is None else integer.lookup,
                range=True if integer.range is None else integer.range,
                is_principal=integer.is_principal,
            )
        case other:
            raise unsupported(f"a payload index of type {other}")
