"""Qdrant's filter language. What is not understood is refused: an ignored condition would show too much."""

from collections.abc import Callable
from typing import Any

import numpy as np
import qdrant_edge as edge

from ops.local.vectors.errors import RefusedError, bad_request, unsupported
from ops.local.vectors.wire import PointId, convert

_CLAUSES = frozenset({"must", "should", "must_not", "min_should"})
_PREDICATES = frozenset({"match", "range", "is_empty", "is_null", "values_count"})
_BOUNDS = frozenset({"lt", "gt", "gte", "lte"})
_MATCHES: dict[str, Callable[[Any], Any]] = {
    "value": lambda value: edge.MatchValue(_scalar(value)),
    "any": edge.MatchAny,
    "except": edge.MatchExcept,
    "text": edge.MatchText,
    "text_any": edge.MatchTextAny,
    "phrase": edge.MatchPhrase,
}


def parse_filter(raw: dict[str, Any] | None) -> edge.Filter | None:
    """Return the engine's filter, or None where none was sent.

    Raises:
        RefusedError: 400 for an unknown clause, condition, operator or type of value.
    """
    if raw is None:
        return None
    try:
        return _parse(raw)
    except (TypeError, ValueError, OverflowError) as error:
        raise bad_request(f"bad filter: {str(error).splitlines()[0]}") from error


def _parse(raw: dict[str, Any]) -> edge.Filter:
    _known(raw, _CLAUSES, "filter")
    return edge.Filter(
        must=_conditions(raw.get("must")),
        should=_conditions(raw.get("should")),
        must_not=_conditions(raw.get("must_not")),
        min_should=_min_should(raw.get("min_should")),
    )


def _conditions(raw: Any) -> list[Any] | None:
    if raw is None:
        return None
    return [_condition(each) for each in (raw if isinstance(raw, list) else [raw])]


def _min_should(raw: Any) -> edge.MinShould | None:
    if raw is None:
        return None
    _known(_mapping(raw, "min_should"), {"conditions", "min_count"}, "min_should")
    count = raw.get("min_count")
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise bad_request("bad filter: min_should needs a min_count of 0 or more")
    return edge.MinShould(_conditions(raw.get("conditions")) or [], count)


def _condition(raw: Any) -> Any:
    condition = _mapping(raw, "condition")
    if "key" in condition:
        return _field(condition)
    if len(condition) == 1:
        ((kind, value),) = condition.items()
        if kind in _SPECIAL:
            return _SPECIAL[kind](value)
    if condition and condition.keys() <= _CLAUSES:
        return _parse(condition)
    raise _unknown("condition", condition)


def _field(raw: dict[str, Any]) -> edge.FieldCondition:
    if any(name.startswith("geo_") for name in raw):
        raise unsupported("a geo condition")
    _known(raw, _PREDICATES | {"key"}, "field condition")
    predicates = {name: value for name, value in raw.items() if name != "key" and value is not None}
    if len(predicates) != 1:
        raise bad_request("bad filter: a field condition needs exactly one of " + ", ".join(sorted(_PREDICATES)))
    ((name, value),) = predicates.items()
    return edge.FieldCondition(_key(raw), **{name: _PREDICATE_PARSERS[name](value)})


def _match(raw: Any) -> Any:
    match = _mapping(raw, "match")
    if len(match) != 1 or not match.keys() <= _MATCHES.keys():
        raise _unknown("match", match)
    ((kind, value),) = match.items()
    return _MATCHES[kind](value)


def _scalar(value: Any) -> Any:
    # The binding tries integers before truth values and takes Python's True for 1; NumPy's is no integer.
    return np.bool_(value) if isinstance(value, bool) else value


def _range(raw: Any) -> Any:
    bounds = {name: value for name, value in _mapping(raw, "range").items() if value is not None}
    _known(bounds, _BOUNDS, "range")
    if not bounds:
        raise bad_request("bad filter: a range needs a bound")
    if all(isinstance(value, str) for value in bounds.values()):
        return edge.RangeDateTime(**bounds)
    if any(isinstance(value, (str, bool)) for value in bounds.values()):
        raise bad_request("bad filter: the bounds of a range are numbers, or dates as text")
    return edge.RangeFloat(**bounds)


def _values_count(raw: Any) -> edge.ValuesCount:
    bounds = _mapping(raw, "values_count")
    _known(bounds, _BOUNDS, "values_count")
    return edge.ValuesCount(**bounds)


def _boolean(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise bad_request("bad filter: is_empty and is_null take true or false")
    return raw


def _has_id(raw: Any) -> edge.HasIdCondition:
    return edge.HasIdCondition(set(convert(raw, list[PointId], "has_id")))


def _nested(raw: Any) -> edge.NestedCondition:
    nested = _mapping(raw, "nested")
    _known(nested, {"key", "filter"}, "nested")
    return edge.NestedCondition(_key(nested), _parse(_mapping(nested.get("filter"), "nested filter")))


_PREDICATE_PARSERS: dict[str, Callable[[Any], Any]] = {
    "match": _match,
    "range": _range,
    "values_count": _values_count,
    "is_empty": _boolean,
    "is_null": _boolean,
}
_SPECIAL: dict[str, Callable[[Any], Any]] = {
    "is_empty": lambda raw: edge.IsEmptyCondition(_key(_mapping(raw, "is_empty"))),
    "is_null": lambda raw: edge.IsNullCondition(_key(_mapping(raw, "is_null"))),
    "has_id": _has_id,
    "has_vector": edge.HasVectorCondition,
    "nested": _nested,
}


def _key(raw: dict[str, Any]) -> str:
    key = raw.get("key")
    if not isinstance(key, str) or not key:
        raise bad_request("bad filter: a condition needs the key of a payload field")
    return key


def _mapping(raw: Any, what: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise bad_request(f"bad filter: {what} has to be an object")
    return raw


def _known(raw: dict[str, Any], names: frozenset[str] | set[str], what: str) -> None:
    if not raw.keys() <= names:
        raise _unknown(what, raw.keys() - names)


def _unknown(what: str, names: Any) -> RefusedError:
    return bad_request(f"bad filter: unknown {what} ({', '.join(sorted(names)) or 'empty'})")
