"""Webhooks in: who may tell us."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, delete, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_201_CREATED

from backend.kit.http import CurrentSubject, PageCursor, PageLimit, permission
from backend.kit.pagination import DEFAULT_LIMIT, Page
from backend.notifications import sources
from backend.notifications.endpoints import READ, WRITE
from backend.notifications.schemas import CreatedSource, NewSecret, NewSource, SourceView

AnyRequest = Request[Any, Any, Any]


class SourceController(Controller):
    path = "/api/v1/webhooks/sources"
    tags = ("webhooks",)

    @get(opt=permission(READ))
    async def list_sources(
        self, subject: CurrentSubject, request: AnyRequest, cursor: PageCursor = None, limit: PageLimit = DEFAULT_LIMIT
    ) -> Page[SourceView]:
        """The systems that may send messages."""
        return await sources.list_sources(subject, _base_url(request), cursor=cursor, limit=limit)

    @post(opt=permission(WRITE, stores_answer=False), status_code=HTTP_201_CREATED)
    async def create_source(
        self, subject: CurrentSubject, data: JSONBody[NewSource], request: AnyRequest
    ) -> CreatedSource:
        """Let another system send messages to `address`; its secret is shown now and never again."""
        return await sources.create_source(subject, _base_url(request), request.app.state.webhook_secrets, data)

    @get("/{source_id:uuid}", opt=permission(READ))
    async def get_source(self, subject: CurrentSubject, source_id: FromPath[UUID], request: AnyRequest) -> SourceView:
        """One source."""
        return await sources.get_source(subject, _base_url(request), source_id)

    @delete("/{source_id:uuid}", opt=permission(WRITE))
    async def delete_source(self, subject: CurrentSubject, source_id: FromPath[UUID]) -> None:
        """Take no more messages of a source."""
        await sources.delete_source(subject, source_id)

    @post("/{source_id:uuid}/secret", opt=permission(WRITE, stores_answer=False), status_code=HTTP_201_CREATED)
    async def rotate_source_secret(
        self, subject: CurrentSubject, source_id: FromPath[UUID], request: AnyRequest
    ) -> NewSecret:
        """Replace the secret; the old one is good for 24 hours more."""
        return await sources.rotate_secret(subject, request.app.state.webhook_secrets, source_id)


def _base_url(request: AnyRequest) -> str:
    return str(request.app.state.settings.base_url)
