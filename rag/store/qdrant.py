"""The vector store over Qdrant's REST API: the local server or a cluster, the same calls."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from uuid import UUID

import httpx
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from ops.runtime.tls import verification
from rag.scope import Scope
from rag.store import schema
from rag.store.contract import (
    Collection,
    Hit,
    PassagePoint,
    SparseVector,
    VectorStoreError,
    VectorStoreUnavailable,
)
from rag.store.points import HIT_FIELDS, point_struct, sparse_vector, to_hit
from rag.store.scoping import scope_filter

UPSERT_BATCH_POINTS = 128
TIMEOUT_SECONDS = 30
# Qdrant closes idle connections after 5 s; one that is closed while being reused looks like a failed request.
_CONNECTIONS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=4.0)


def open_vector_store(
    url: str, api_key: str = "", *, shard_number: int = 4, timeout_seconds: int = TIMEOUT_SECONDS
) -> "QdrantVectorStore":
    """Connect to the server at `url` on the first call; `shard_number` counts where this store makes a collection.

    The local server holds a collection in one shard whatever it is asked for, and says so.
    """
    client = AsyncQdrantClient(
        url=url,
        headers={"api-key": api_key} if api_key else None,
        timeout=timeout_seconds,
        limits=_CONNECTIONS,
        check_compatibility=False,
        verify=verification(url),
    )
    return QdrantVectorStore(client, shard_number=shard_number)


class QdrantVectorStore:
    """`VectorStore` over one client. Reads and writes go through the alias, so both always mean one collection."""

    def __init__(self, client: AsyncQdrantClient, *, shard_number: int = 4) -> None:
        self._client = client
        self._shard_number = shard_number

    async def ensure_collection(self, model: str, dimensions: int) -> Collection:
        """Make the model's collection with its payload indexes where it is missing, and point the alias at it."""
        name = schema.collection_name(model, dimensions)
        with _translated():
            created = await self._create(name, dimensions)
            indexed = (await self._client.get_collection(name)).payload_schema
            for field, parameters in schema.PAYLOAD_INDEXES.items():
                if field not in indexed:
                    await self._client.create_payload_index(name, field, field_schema=parameters, wait=True)
            await self._point_alias_at(name)
        return Collection(name=name, created=created)

    async def upsert(self, points: Sequence[PassagePoint], *, wait: bool = True) -> None:
        """Insert or replace points, in batches the server can read other requests between."""
        with _translated():
            for start in range(0, len(points), UPSERT_BATCH_POINTS):
                batch = [point_struct(point) for point in points[start : start + UPSERT_BATCH_POINTS]]
                await self._client.upsert(schema.ALIAS, batch, wait=wait)

    async def delete_document(self, document_id: UUID, *, below_version: int | None = None) -> None:
        """Delete a document's points, or only those of versions below `below_version`."""
        must: list[models.Condition] = [_equals("document_id", document_id)]
        if below_version is not None:
            must.append(models.FieldCondition(key="version", range=models.Range(lt=below_version)))
        await self._delete(models.FilterSelector(filter=models.Filter(must=must)))

    async def delete_points(self, passage_ids: Sequence[UUID]) -> None:
        """Delete points by id; unknown ids are no error."""
        if passage_ids:
            await self._delete(models.PointIdsList(points=[str(identifier) for identifier in passage_ids]))

    async def move_course(self, course_id: UUID, *, faculty_id: UUID, semester_id: UUID) -> None:
        """Record the course's new faculty and semester on all its points."""
        payload = {"faculty_id": str(faculty_id), "semester_id": str(semester_id)}
        with _translated():
            points = models.Filter(must=[_equals("course_id", course_id)])
            await self._client.set_payload(schema.ALIAS, payload=payload, points=points, wait=True)

    async def search_dense(self, vector: Sequence[float], scope: Scope, limit: int) -> list[Hit]:
        """Search by cosine similarity among the points that have a dense vector."""
        return await self._nearest(list(vector), schema.DENSE, scope, limit) if vector else []

    async def search_sparse(self, sparse: SparseVector, scope: Scope, limit: int) -> list[Hit]:
        """Search by BM25."""
        return await self._nearest(sparse_vector(sparse), schema.SPARSE, scope, limit) if sparse else []

    async def count(self, scope: Scope | None = None, *, document_id: UUID | None = None) -> int:
        """Count points exactly, of all or of a scope, and of one document where given."""
        more = [_equals("document_id", document_id)] if document_id else []
        if scope is not None and not scope.courses:
            return 0
        only = scope_filter(scope, *more) if scope is not None else models.Filter(must=[*more])
        with _translated():
            return (await self._client.count(schema.ALIAS, count_filter=only, exact=True)).count

    async def health(self) -> None:
        """Raise VectorStoreUnavailable unless the server answers."""
        with _translated():
            await self._client.info()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _nearest(
        self, query: list[float] | models.SparseVector, using: str, scope: Scope, limit: int
    ) -> list[Hit]:
        if not scope.courses:
            return []
        with _translated():
            response = await self._client.query_points(
                schema.ALIAS,
                query=query,
                using=using,
                query_filter=scope_filter(scope),
                limit=limit,
                with_payload=HIT_FIELDS,
            )
        return [to_hit(point) for point in response.points]

    async def _create(self, name: str, dimensions: int) -> bool:
        if await self._client.collection_exists(name):
            return False
        try:
            await self._client.create_collection(
                name,
                vectors_config=schema.dense_vectors(dimensions),
                sparse_vectors_config=schema.sparse_vectors(),
                shard_number=self._shard_number,
            )
        except UnexpectedResponse as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            return False
        return True

    async def _point_alias_at(self, name: str) -> None:
        aliases = (await self._client.get_aliases()).aliases
        current = next((alias.collection_name for alias in aliases if alias.alias_name == schema.ALIAS), None)
        if current == name:
            return
        changes: list[models.AliasOperations] = []
        if current is not None:
            changes.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=schema.ALIAS)))
        create = models.CreateAlias(collection_name=name, alias_name=schema.ALIAS)
        changes.append(models.CreateAliasOperation(create_alias=create))
        await self._client.update_collection_aliases(changes)

    async def _delete(self, selector: models.FilterSelector | models.PointIdsList) -> None:
        with _translated():
            await self._client.delete(schema.ALIAS, points_selector=selector, wait=True)


def _equals(key: str, identifier: UUID) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=str(identifier)))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ResponseHandlingException, QdrantException) as error:
        raise VectorStoreUnavailable("the vector server does not answer") from error
    except UnexpectedResponse as error:
        status = error.status_code or 0
        if status == HTTPStatus.NOT_FOUND:
            raise VectorStoreUnavailable("the index of passages is not made yet") from error
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise VectorStoreUnavailable(f"the vector server answered {status}") from error
        raise VectorStoreError(f"the vector server refused the request with {status}") from error
