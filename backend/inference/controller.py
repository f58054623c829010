"""`/api/v1/inference`: models, quotas, adapters, use."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter, QueryParameter
from litestar.status_codes import HTTP_200_OK

from backend.inference import policy, quotas, upstreams, usage
from backend.inference.schemas import (
    AdapterView,
    Forgotten,
    Hours,
    NewQuota,
    PolicyChange,
    PolicyView,
    QuotaLeft,
    UsageHistory,
)
from backend.kit.http import CurrentSubject, PageCursor, PageLimit, permission
from backend.kit.pagination import DEFAULT_LIMIT, Page
from db.repositories.quotas import SetQuotaRow
from inference_gateway.contract import Overview, UpstreamView

AnyRequest = Request[Any, Any, Any]
LastHours = Annotated[Hours, QueryParameter(description="how far back")]
UpstreamName = Annotated[str, PathParameter(max_length=64)]


class InferenceController(Controller):
    path = "/api/v1/inference"
    tags = ("inference",)

    @get("/upstreams", opt=permission(upstreams.READ))
    async def list_upstreams(self, subject: CurrentSubject, request: AnyRequest) -> Overview:
        """The upstreams that give models, with their circuit breakers, and the names that lead to them."""
        return await upstreams.list_upstreams(subject, request.app.state.gateway)

    @post("/upstreams/{upstream:str}/drain", opt=permission(upstreams.DRAIN), status_code=HTTP_200_OK)
    async def drain_upstream(
        self, subject: CurrentSubject, upstream: UpstreamName, request: AnyRequest
    ) -> UpstreamView:
        """Give an upstream nothing new, for all tenants; what it does it finishes."""
        return await upstreams.drain(subject, request.app.state.gateway, upstream)

    @post("/upstreams/{upstream:str}/resume", opt=permission(upstreams.DRAIN), status_code=HTTP_200_OK)
    async def resume_upstream(
        self, subject: CurrentSubject, upstream: UpstreamName, request: AnyRequest
    ) -> UpstreamView:
        """Give an upstream work again."""
        return await upstreams.resume(subject, request.app.state.gateway, upstream)

    @get("/quotas", opt=permission(quotas.READ))
    async def list_quotas(self, subject: CurrentSubject) -> Page[SetQuotaRow]:
        """The quotas that are set: the institution's, each course's and person's, those of single ones."""
        return Page(items=await quotas.list_quotas(subject))

    @post("/quotas", opt=permission(quotas.WRITE), status_code=HTTP_200_OK)
    async def set_quota(self, subject: CurrentSubject, data: JSONBody[NewQuota]) -> SetQuotaRow:
        """Set a quota in place of the one for the same; it holds within 10 seconds."""
        return await quotas.set_quota(subject, data)

    @delete("/quotas/{quota_id:uuid}", opt=permission(quotas.WRITE))
    async def delete_quota(self, subject: CurrentSubject, quota_id: FromPath[UUID]) -> None:
        """Take a limit away."""
        await quotas.delete_quota(subject, quota_id)

    @get("/quotas/remaining", opt=permission(quotas.ASK))
    async def remaining(self, subject: CurrentSubject, course_id: FromQuery[UUID | None] = None) -> Page[QuotaLeft]:
        """What is left of the quotas that count for oneself, in a course or without one; nothing where none is set."""
        return Page(items=await quotas.remaining(subject, course_id))

    @get("/policy", opt=permission(policy.READ))
    async def get_policy(self, subject: CurrentSubject) -> PolicyView:
        """What the institution allows to be done with texts."""
        return await policy.get_policy(subject)

    @patch("/policy", opt=permission(policy.WRITE))
    async def change_policy(self, subject: CurrentSubject, data: JSONBody[PolicyChange]) -> PolicyView:
        """Allow or forbid; it holds within half a minute."""
        return await policy.change_policy(subject, data)

    @delete("/answers", opt=permission(policy.WRITE), status_code=HTTP_200_OK)
    async def forget_answers(self, subject: CurrentSubject, request: AnyRequest) -> Forgotten:
        """Forget every answer that the gateway keeps for the institution."""
        return await policy.forget_answers(subject, request.app.state.redis)

    @get("/adapters", opt=permission(usage.READ))
    async def list_adapters(
        self, subject: CurrentSubject, cursor: PageCursor = None, limit: PageLimit = DEFAULT_LIMIT
    ) -> Page[AdapterView]:
        """The institution's private adapters, whatever their state."""
        return await usage.list_adapters(subject, cursor=cursor, limit=limit)

    @get("/usage", opt=permission(usage.READ))
    async def get_usage(self, subject: CurrentSubject, hours: LastHours = 24) -> UsageHistory:
        """What was used in the last 24, 168 or 720 hours: over time, by model, by course."""
        return await usage.usage(subject, hours)


controllers = [InferenceController]
