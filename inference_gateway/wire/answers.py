"""Errors on the wire: OpenAI's shape under /v1, TGI's and TEI's on their paths, problem documents (RFC 9457) elsewhere.

Each error has one stable name, which is the same in all four.
"""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from inference_gateway.contract import EMBED_PURPOSE
from inference_gateway.errors import GatewayError, GatewayOverloaded, RequestRefused, UpstreamBroken
from ops.runtime.context import request_id
from ops.runtime.logging import get_logger

log = get_logger(__name__)

_CODES_OF_THE_FRAMEWORK = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.BAD_REQUEST: "invalid_request",
}

TGI_PATHS = frozenset({"/", "/generate", "/generate_stream", "/info", "/tokenize", "/chat_tokenize"})
TEI_PATHS = frozenset({"/embed", "/rerank"})
SHARED_PATHS = frozenset({"/", "/info"})
_TGI_TYPES = {
    RequestRefused.status: "validation",
    HTTPStatus.BAD_REQUEST: "validation",
    GatewayOverloaded.status: "overloaded",
    UpstreamBroken.status: "generation",
    HTTPStatus.GATEWAY_TIMEOUT: "generation",
    HTTPStatus.SERVICE_UNAVAILABLE: "healthcheck",
}
_TEI_TYPES = {GatewayOverloaded.status: "Overloaded", HTTPStatus.SERVICE_UNAVAILABLE: "Unhealthy"}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is told about an error, whatever the shape."""

    status: int
    code: str
    detail: str
    pointer: str | None = None
    headers: dict[str, str] = {}


def fault_of(error: Exception) -> Fault:
    """Judge an error; one that nobody foresaw is told without its text."""
    if isinstance(error, GatewayError):
        headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else {}
        if error.retry_after_seconds is not None:
            headers["Retry-After"] = str(error.retry_after_seconds)
        return Fault(status=error.status, code=error.code, detail=error.detail, pointer=error.pointer, headers=headers)
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        status = HTTPStatus(error.status_code)
        return Fault(
            status=status,
            code=_CODES_OF_THE_FRAMEWORK.get(status, "invalid_request"),
            detail=f"{status.phrase}.",
            headers=dict(error.headers or {}),
        )
    return Fault(status=500, code=GatewayError.code, detail="An unexpected error; the log has it under the request id.")


def openai_error(fault: Fault) -> dict[str, Any]:
    """Return OpenAI's error object; `code` is the stable name, `param` a JSON pointer."""
    kind = "invalid_request_error" if fault.status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    return {"error": {"message": fault.detail, "type": kind, "code": fault.code, "param": fault.pointer}}


def tgi_error(fault: Fault) -> dict[str, Any]:
    """Return TGI's error; `error_type` is one of its own where it has one, `code` the stable name."""
    return {"error": fault.detail, "error_type": _TGI_TYPES.get(fault.status, fault.code), "code": fault.code}


def tei_error(fault: Fault) -> dict[str, Any]:
    """Return TEI's error, of its own types; `code` is the stable name, `pointer` the place in the request."""
    kind = "Validation" if fault.status < HTTPStatus.INTERNAL_SERVER_ERROR else "Backend"
    told = {"error": fault.detail, "error_type": _TEI_TYPES.get(fault.status, kind), "code": fault.code}
    return told if fault.pointer is None else {**told, "pointer": fault.pointer}


def problem(fault: Fault) -> dict[str, Any]:
    """Return a problem document."""
    return {
        "type": f"/problems/{fault.code.replace('_', '-')}",
        "title": HTTPStatus(fault.status).phrase,
        "status": fault.status,
        "detail": fault.detail,
        "request_id": request_id.get(),
    }


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's handler for every exception."""
    fault = fault_of(error)
    if fault.code == GatewayError.code:
        log.error("unexpected_error", path=request.url.path, exc_info=error)
    path = request.url.path
    media_type = "application/json"
    if path.startswith("/v1/"):
        body = openai_error(fault)
    elif path in TEI_PATHS or (path in SHARED_PATHS and _embeds(request)):
        body = tei_error(fault)
    elif path in TGI_PATHS:
        body = tgi_error(fault)
    else:
        body, media_type = problem(fault), "application/problem+json"
    return Response(
        content=msgspec.json.encode(body), status_code=fault.status, headers=fault.headers, media_type=media_type
    )


def _embeds(request: Request[Any, Any, Any]) -> bool:
    claims = getattr(request.state, "claims", None)
    return claims is not None and claims.purpose == EMBED_PURPOSE
