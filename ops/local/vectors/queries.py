"""Searches, as the engine takes them."""

from typing import Any

import qdrant_edge as edge

from ops.local.vectors.errors import bad_request, unsupported
from ops.local.vectors.filters import parse_filter
from ops.local.vectors.vectors import VectorSpace
from ops.local.vectors.wire import (
    Prefetch,
    Query,
    Rrf,
    SearchParameters,
    SparseVector,
    Stage,
    Vector,
    WithPayload,
    convert,
)

_DEFAULT_RANK_CONSTANT = 2
_MAX_PREFETCH_DEPTH = 8


def parse_query(query: Query, space: VectorSpace) -> edge.QueryRequest:
    """Return the engine's request.

    Raises:
        RefusedError: 400 for an unknown kind of query, a vector that does not fit, a bad filter.
    """
    return edge.QueryRequest(
        limit=query.limit,
        offset=query.offset,
        query=_scoring(query, space),
        prefetches=_prefetches(query, space, depth=1),
        with_payload=payload_selector(query.with_payload),
        with_vector=query.with_vector or False,
        filter=parse_filter(query.filter),
        score_threshold=query.score_threshold,
        params=_parameters(query.params),
    )


def payload_selector(wanted: WithPayload) -> Any:
    """Return which payload fields to read: all, none, those listed, or all but those excluded."""
    if isinstance(wanted, list):
        return edge.PayloadSelector.Include(wanted)
    if isinstance(wanted, bool) or wanted is None:
        return wanted or False
    if wanted.include is not None and wanted.exclude is None:
        return edge.PayloadSelector.Include(wanted.include)
    if wanted.exclude is not None and wanted.include is None:
        return edge.PayloadSelector.Exclude(wanted.exclude)
    raise bad_request("with_payload takes either include or exclude")


def _prefetches(stage: Stage, space: VectorSpace, depth: int) -> list[edge.Prefetch]:
    if depth > _MAX_PREFETCH_DEPTH:
        raise bad_request(f"prefetches are nested more than {_MAX_PREFETCH_DEPTH} deep")
    if stage.prefetch is None:
        return []
    prefetches = [stage.prefetch] if isinstance(stage.prefetch, Prefetch) else stage.prefetch
    return [
        edge.Prefetch(
            limit=prefetch.limit,
            query=_scoring(prefetch, space),
            prefetches=_prefetches(prefetch, space, depth + 1),
            params=_parameters(prefetch.params),
            filter=parse_filter(prefetch.filter),
            score_threshold=prefetch.score_threshold,
        )
        for prefetch in prefetches
    ]


def _scoring(stage: Stage, space: VectorSpace) -> Any:
    query = stage.query
    if query is None:
        raise bad_request("a query or a prefetch needs a query")
    if isinstance(query, list):
        return _nearest(query, stage.using, space)
    if query.keys() == {"indices", "values"}:
        return _nearest(convert(query, SparseVector, "query"), stage.using, space)
    if len(query) != 1:
        raise unsupported(f"a query of {', '.join(sorted(query)) or 'nothing'}")
    ((kind, value),) = query.items()
    match kind:
        case "nearest":
            return _nearest(convert(value, Vector, "nearest"), stage.using, space)
        case "fusion":
            return _fusion(value, stage)
        case "rrf":
            return _rrf(convert(value, Rrf, "rrf"), stage)
        case _:
            raise unsupported(f"a query of {kind}")


def _nearest(vector: Vector, using: str | None, space: VectorSpace) -> edge.Query:
    if using is None:
        raise bad_request("`using` has to name a vector: collections here have named vectors only")
    return edge.Query.Nearest(space.checked(using, vector), using)


def _fusion(kind: Any, stage: Stage) -> Any:
    if kind == "rrf":
        return _rrf(Rrf(), stage)
    if kind == "dbsf":
        _check_fusion(stage)
        return edge.Fusion.Dbsf()
    raise bad_request(f"unknown fusion {kind!r}")


def _rrf(rrf: Rrf, stage: Stage) -> Any:
    count = _check_fusion(stage)
    if rrf.weights is not None and len(rrf.weights) != count:
        raise bad_request(f"{len(rrf.weights)} weights for {count} prefetches")
    return edge.Fusion.Rrf(rrf.k or _DEFAULT_RANK_CONSTANT, rrf.weights)


def _check_fusion(stage: Stage) -> int:
    if not stage.prefetch:
        raise bad_request("a fusion needs prefetches")
    if stage.using is not None:
        raise bad_request("`using` has no meaning for a fusion")
    return len(stage.prefetch) if isinstance(stage.prefetch, list) else 1


def _parameters(parameters: SearchParameters | None) -> edge.SearchParams | None:
    return None if parameters is None else edge.SearchParams(parameters.hnsw_ef, parameters.exact or False)
