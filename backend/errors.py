"""The errors a caller may be told about. A domain adds its own in its ``errors.py``; `backend.problems` renders them all.

A class carries what never varies: `type` (a stable slug), `status`, `title`, and as its docstring the sentence that the
catalogue shows. An instance carries what happened this time.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import msgspec

Location = Literal["body", "query", "path", "header", "cookie"]


class InputError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong at one place of the input: a JSON pointer (RFC 6901) into the part of the request named by `in`."""

    pointer: str
    detail: str
    location: Location = msgspec.field(default="body", name="in")


class LyceumError(Exception):
    """Something went wrong on our side; the request id finds it in the logs."""

    type: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[InputError] = (),
        retry_after_seconds: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_seconds = retry_after_seconds
        self.headers = dict(headers or {})


class BadRequest(LyceumError):
    """The request cannot be understood as HTTP asks for it."""

    type = "bad-request"
    status = 400
    title = "Bad request"


class MalformedBody(LyceumError):
    """The body is not JSON: broken syntax, bytes that are not UTF-8, or nesting deeper than any form needs."""

    type = "malformed-body"
    status = 400
    title = "Malformed body"


class ValidationFailed(LyceumError):
    """The input was read but does not have the form this operation takes; `errors` points at each place known."""

    type = "invalid-input"
    status = 400
    title = "Invalid input"


class AuthenticationRequired(LyceumError):
    """The request carries no valid proof of who sends it: none, or one that has ended or was withdrawn."""

    type = "authentication-required"
    status = 401
    title = "Sign in first"

    def __init__(
        self, detail: str = "Sign in, or send an access token.", *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="lyceum"', **(headers or {})})


class PermissionMissing(LyceumError):
    """The person is known but may not do this here; an administrator can grant the permission that `detail` names."""

    type = "permission-missing"
    status = 403
    title = "Permission missing"

    def __init__(self, permission: str) -> None:
        super().__init__(f"This needs the permission {permission}.")
        self.permission = permission


class RequestForged(LyceumError):
    """A request that a browser signed by cookie came from another site or without this site's CSRF token."""

    type = "request-forged"
    status = 403
    title = "Request not from this site"


class NotFound(LyceumError):
    """There is no such thing, or the person may not know of it; Lyceum does not tell which."""

    type = "not-found"
    status = 404
    title = "Not found"


class MethodNotAllowed(LyceumError):
    """The address exists but does not take this method; `Allow` lists those it takes."""

    type = "method-not-allowed"
    status = 405
    title = "Method not allowed"


class NotAcceptable(LyceumError):
    """None of the media types the client accepts can be produced here."""

    type = "not-acceptable"
    status = 406
    title = "Not acceptable"


class Conflict(LyceumError):
    """What is stored does not allow this: something with the same key exists, or is still in use."""

    type = "conflict"
    status = 409
    title = "Conflict"


class RequestStillRunning(LyceumError):
    """A request with the same idempotency key is being worked on; repeat it after the time in `Retry-After`."""

    type = "request-still-running"
    status = 409
    title = "Request still running"


class PayloadTooLarge(LyceumError):
    """The body is larger than this operation takes."""

    type = "payload-too-large"
    status = 413
    title = "Payload too large"


class UnsupportedMediaType(LyceumError):
    """The body's `Content-Type` is not one this operation reads."""

    type = "unsupported-media-type"
    status = 415
    title = "Unsupported media type"


class RequestCarriedOut(LyceumError):
    """An earlier request with the same idempotency key did what it asked for, but its answer was lost; do not repeat it.

    `detail` names what was done and the ids of what was made.
    """

    type = "request-carried-out"
    status = 409
    title = "Carried out already"


class IdempotencyKeyReused(LyceumError):
    """The idempotency key was used before with another body; take a new key for a new request."""

    type = "idempotency-key-reused"
    status = 422
    title = "Idempotency key reused"


class RateLimited(LyceumError):
    """Too many requests in a short time; `Retry-After` tells when the next one is welcome."""

    type = "rate-limited"
    status = 429
    title = "Too many requests"


class DependencyUnavailable(LyceumError):
    """A part of the installation does not answer; nothing was lost, try again after the time in `Retry-After`."""

    type = "dependency-unavailable"
    status = 503
    title = "Temporarily unavailable"

    def __init__(self, dependency: str, *, retry_after_seconds: int = 5) -> None:
        super().__init__(f"{dependency} does not answer at the moment.", retry_after_seconds=retry_after_seconds)
        self.dependency = dependency


def catalogue() -> list[type[LyceumError]]:
    """Return every error class that is loaded, sorted by its slug."""
    found: dict[str, type[LyceumError]] = {}
    waiting: list[type[LyceumError]] = [LyceumError]
    while waiting:
        kind = waiting.pop()
        found[kind.type] = kind
        waiting.extend(kind.__subclasses__())
    return [found[slug] for slug in sorted(found)]
