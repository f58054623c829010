"""The one mapper: whatever is raised becomes a problem document (RFC 9457)."""

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException

from backend import errors
from backend.errors import InputError, LyceumError
from backend.kit.idempotency import AnsweredBefore
from backend.kit.pointers import from_litestar, missing_parameter
from db.errors import CheckViolation, ConstraintViolation, DatabaseUnavailable
from inference_gateway.errors import (
    GatewayOverloaded,
    GatewayUnavailable,
    GenerationUnavailable,
    UpstreamBroken,
)
from ops.runtime.context import request_id
from ops.runtime.logging import get_logger
from ops.runtime.objects import ObjectStoreUnavailable
from ops.runtime.redis import RedisError
from rag.store.contract import VectorStoreUnavailable

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
CATALOGUE_PATH = "/problems"
OVERLOAD_RETRY_SECONDS = 2
NO_BODY = InputError(pointer="", detail="This operation needs a body.")


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A problem document. `type` is a stable address with an explanation; `errors` points at wrong input."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: tuple[InputError, ...] = ()


_BY_STATUS: dict[int, type[LyceumError]] = {
    400: errors.BadRequest,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    406: errors.NotAcceptable,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedMediaType,
    429: errors.RateLimited,
}
_UNAVAILABLE: dict[type[Exception], str] = {
    DatabaseUnavailable: "The database",
    ObjectStoreUnavailable: "The file store",
    RedisError: "The cache",
    VectorStoreUnavailable: "The search index",
    GatewayUnavailable: "The inference gateway",
    GenerationUnavailable: "The generation model",
    UpstreamBroken: "The generation model",
}


def problem_document(error: LyceumError) -> Problem:
    """Return the document of an error, with the request id of the moment."""
    return Problem(
        type=f"{CATALOGUE_PATH}/{error.type}",
        title=error.title,
        status=error.status,
        detail=error.detail or (type(error).__doc__ or "").strip(),
        request_id=request_id.get(),
        errors=error.errors,
    )


def to_error(exception: BaseException) -> LyceumError:
    """Return what a caller may know of `exception`. What nobody foresaw is logged with its traceback and said to be ours."""
    if isinstance(exception, LyceumError):
        error = exception
    elif isinstance(exception, HTTPException):
        error = _from_http(exception)
    else:
        error = _from_parts(exception) or _from_reading(exception) or LyceumError()
    if error.status == LyceumError.status:
        log.error("unhandled_error", exc_info=exception)
    return error


def respond(_request: Request[Any, Any, Any], exception: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything."""
    if isinstance(exception, AnsweredBefore):
        answer = exception.answer
        headers = {**msgspec.json.decode(answer.headers, type=dict[str, str]), "idempotency-replayed": "true"}
        return Response(answer.body, status_code=answer.status, headers=headers)
    error = to_error(exception)
    headers = dict(error.headers)
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    body = msgspec.json.encode(problem_document(error))
    return Response(body, status_code=error.status, headers=headers, media_type=MEDIA_TYPE)


def _from_http(exception: HTTPException) -> LyceumError:
    if isinstance(exception, ValidationException):
        return errors.ValidationFailed("The input does not have the form asked for.", errors=_input_errors(exception))
    if isinstance(exception.__cause__, SerializationException):
        return errors.MalformedBody()
    if exception.detail == "client disconnected prematurely":
        return errors.BadRequest("The connection closed before the body was complete.")
    kind = _BY_STATUS.get(exception.status_code)
    if kind is None:
        return LyceumError()
    headers = {name: value for name, value in (exception.headers or {}).items() if name.lower() == "allow"}
    return kind(headers=headers)


def _input_errors(exception: ValidationException) -> list[InputError]:
    """Find the places. JSON bodies were decoded before (`LyceumRequest`): of those only a missing one is left to report."""
    found = from_litestar(exception.extra) or missing_parameter(exception.detail)
    return [NO_BODY if (error.location, error.pointer) == ("body", "") else error for error in found]


def _from_parts(exception: BaseException) -> LyceumError | None:
    if isinstance(exception, GatewayOverloaded):
        wait = exception.retry_after_seconds or OVERLOAD_RETRY_SECONDS
        return errors.DependencyUnavailable("The inference gateway", retry_after_seconds=wait)
    for kind, name in _UNAVAILABLE.items():
        if isinstance(exception, kind):
            log.warning("dependency_unavailable", dependency=name, error=type(exception).__name__)
            return errors.DependencyUnavailable(name)
    if isinstance(exception, ConstraintViolation):
        log.warning("constraint_broken", constraint=exception.constraint)
        if isinstance(exception, CheckViolation):
            return errors.ValidationFailed("A value lies outside what is allowed.")
        return errors.Conflict("What is stored does not allow this.")
    if _is_refused_value(exception):
        log.warning("value_refused_by_database", error=type(exception).__name__)
        return errors.ValidationFailed("A value cannot be stored.")
    return None


def _is_refused_value(exception: BaseException) -> bool:
    """Recognise asyncpg's `DataError` and its kin, e.g. NUL characters and numbers out of range, without importing asyncpg."""
    return any(
        kind.__name__ == "DataError" and kind.__module__.startswith("asyncpg") for kind in type(exception).__mro__
    )


def _from_reading(exception: BaseException) -> LyceumError | None:
    """Tell a client's broken bytes from the same exceptions inside our own code: they are raised while arguments are read."""
    if not isinstance(exception, UnicodeDecodeError | RecursionError):
        return None
    frame = exception.__traceback__
    while frame is not None:
        if "/litestar/_kwargs/" in frame.tb_frame.f_code.co_filename:
            return errors.MalformedBody()
        frame = frame.tb_next
    return None
