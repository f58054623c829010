"""`POST /api/v1/generate`."""

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK

from backend.kit.http import CurrentSubject, permission
from backend.tutoring.schemas import GeneratedText, GenerateRequest
from backend.tutoring.service import PERMISSION, generate
from inference_gateway.contract import AnswerFacts


class GenerateController(Controller):
    path = "/api/v1/generate"
    tags = ("tutor",)

    @post(
        opt=permission(PERMISSION, request_class="questions", stores_answer=False),
        status_code=HTTP_200_OK,
        responses={200: ResponseSpec(GeneratedText, description="the text and where it comes from")},
    )
    async def generate(
        self, data: JSONBody[GenerateRequest], subject: CurrentSubject, request: Request[Any, Any, Any]
    ) -> Response[GeneratedText]:
        """Write a text for one learner: by level, style and accommodations, from no source; answers with sources give `/chat`.

        Needs a generation model: without one it is 503 `generation-unavailable`. The headers `X-Quota-Remaining-Tokens`,
        `X-Quota-Remaining-Requests` and `X-Quota-Reset` (seconds) tell what is left where a quota is set.
        """
        text, facts = await generate(subject, data, request.app.state.gateway)
        return Response(text, headers=quota_headers(facts))


def quota_headers(facts: AnswerFacts) -> dict[str, str]:
    """Return what is left of the tightest quota; `RateLimit-*` are those of requests per minute."""
    told = {
        "X-Quota-Remaining-Tokens": facts.remaining_tokens,
        "X-Quota-Remaining-Requests": facts.remaining_requests,
        "X-Quota-Reset": facts.reset_seconds,
    }
    return {name: str(value) for name, value in told.items() if value is not None}


controllers = [GenerateController]
