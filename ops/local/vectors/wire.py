"""Request bodies, as Qdrant's OpenAPI document has them; an unknown field is refused."""

from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from ops.local.vectors.errors import bad_request

FLOAT32_MAX = 3.4028234663852886e38
MAX_DIMENSIONS = 65_536

Dimension = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Limit = Annotated[int, Meta(ge=1, le=100_000)]
Offset = Annotated[int, Meta(ge=0, le=100_000)]
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r'^[^<>:"/\\|?*\x00-\x1f]+$')]
PointId = Annotated[int, Meta(ge=0)] | UUID
Payload = dict[str, Any]
RawFilter = dict[str, Any]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all bodies."""


class SparseVector(Body, frozen=True, kw_only=True):
    """Weights of the dimensions that are not zero."""

    indices: list[Dimension]
    values: list[float]


Vector = list[float] | SparseVector


class Selector(Body, frozen=True, kw_only=True):
    """Fields of a payload to take or to leave out."""

    include: list[str] | None = None
    exclude: list[str] | None = None


WithPayload = bool | list[str] | Selector | None
WithVector = bool | list[str] | None


class VectorParameters(Body, frozen=True, kw_only=True):
    """A dense vector of a collection."""

    size: Annotated[int, Meta(ge=1, le=MAX_DIMENSIONS)]
    distance: Literal["Cosine", "Dot", "Euclid", "Manhattan"]


class SparseVectorParameters(Body, frozen=True, kw_only=True):
    """A sparse vector of a collection."""

    modifier: Literal["none", "idf"] = "none"
    index: None = None


class CreateCollection(Body, frozen=True, kw_only=True):
    """`shard_number`, `replication_factor` and `write_consistency_factor` are wishes of a cluster: one node has one of each."""

    vectors: dict[str, Any] = {}
    sparse_vectors: dict[Name, SparseVectorParameters] | None = None
    shard_number: int | None = None
    replication_factor: int | None = None
    write_consistency_factor: int | None = None


class FieldIndex(Body, frozen=True, kw_only=True):
    """A payload index."""

    field_name: Annotated[str, Meta(min_length=1, max_length=255)]
    field_schema: str | dict[str, Any]


class KeywordIndex(Body, frozen=True, kw_only=True):
    """Parameters of a keyword index."""

    type: Literal["keyword"]
    is_tenant: bool | None = None


class IntegerIndex(Body, frozen=True, kw_only=True):
    """Parameters of an integer index."""

    type: Literal["integer"]
    lookup: bool | None = None
    range: bool | None = None
    is_principal: bool | None = None


class PointStruct(Body, frozen=True, kw_only=True):
    """A point to store."""

    id: PointId
    vector: dict[str, Vector]
    payload: Payload | None = None


class PointColumns(Body, frozen=True, kw_only=True):
    """Points to store, by column."""

    ids: list[PointId]
    vectors: dict[str, list[Vector]]
    payloads: list[Payload | None] | None = None


class Upsert(Body, frozen=True, kw_only=True):
    """Points as a list or as columns, one of both."""

    points: list[PointStruct] | None = None
    batch: PointColumns | None = None


class PointSelection(Body, frozen=True, kw_only=True):
    """Points by id or by filter, one of both."""

    points: list[PointId] | None = None
    filter: RawFilter | None = None


class SetPayload(PointSelection, frozen=True, kw_only=True):
    """Payload fields to set on the selected points."""

    payload: Payload


class Retrieve(Body, frozen=True, kw_only=True):
    """Points to read by id."""

    ids: list[PointId]
    with_payload: WithPayload = True
    with_vector: WithVector = False


class Count(Body, frozen=True, kw_only=True):
    """Points to count."""

    filter: RawFilter | None = None
    exact: bool = True


class Scroll(Body, frozen=True, kw_only=True):
    """Points to page through in the order of their ids."""

    offset: PointId | None = None
    limit: Limit = 10
    filter: RawFilter | None = None
    with_payload: WithPayload = True
    with_vector: WithVector = False


class SearchParameters(Body, frozen=True, kw_only=True):
    """How to search. The first two mean nothing where every search is exact."""

    hnsw_ef: int | None = None
    exact: bool | None = None


class Stage(Body, frozen=True, kw_only=True):
    """What a query and a prefetch have in common."""

    query: list[float] | dict[str, Any] | None = None
    using: str | None = None
    prefetch: "list[Prefetch] | Prefetch | None" = None
    filter: RawFilter | None = None
    params: SearchParameters | None = None
    score_threshold: float | None = None
    limit: Limit = 10


class Prefetch(Stage, frozen=True, kw_only=True):
    """A search whose hits a fusion takes in."""


class Query(Stage, frozen=True, kw_only=True):
    """A search."""

    offset: Offset = 0
    with_payload: WithPayload = False
    with_vector: WithVector = False


class QueryBatch(Body, frozen=True, kw_only=True):
    """Searches answered together."""

    searches: Annotated[list[Query], Meta(max_length=1_000)]


class Rrf(Body, frozen=True, kw_only=True):
    """Parameters of reciprocal rank fusion."""

    k: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    weights: list[float] | None = None


class CreateAlias(Body, frozen=True, kw_only=True):
    """A further name for a collection."""

    collection_name: str
    alias_name: Name


class DeleteAlias(Body, frozen=True, kw_only=True):
    """An alias to forget."""

    alias_name: str


class AliasAction(Body, frozen=True, kw_only=True):
    """One change of the aliases."""

    create_alias: CreateAlias | None = None
    delete_alias: DeleteAlias | None = None


class ChangeAliases(Body, frozen=True, kw_only=True):
    """Changes of the aliases, all or none."""

    actions: list[AliasAction]


B = TypeVar("B")


def decode(body: bytes, kind: type[B]) -> B:
    """Parse a JSON body.

    Raises:
        RefusedError: 400 for malformed JSON, a wrong or unknown field, or endless nesting.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"Format error in JSON body: {error}") from error


def convert(value: Any, kind: Any, where: str) -> Any:
    """Parse a part of a body whose type depends on the rest of it."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise bad_request(f"Format error in JSON body: {where}: {error}") from error
