"""Reading a request body: strict JSON into a struct, or an error with a stable name and a JSON pointer."""

import re
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import InternalServerException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import Receive, Scope

from inference_gateway.errors import MalformedJson, RequestRefused, UnsupportedMediaType
from inference_gateway.wire.disconnect import ClientGone

T = TypeVar("T")

JSON = "application/json"
MAX_BODY_BYTES = 32 * 1024 * 1024

_PATH = re.compile(r"^(?P<message>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>[^`]*)`|required field `(?P<missing>[^`]*)`")


async def read_body(request: Request[Any, Any, Any], decoder: msgspec.json.Decoder[T]) -> T:
    """Return the decoded body of a request to a route of Litestar's; raises as `receive_body` does."""
    _check_media_type(request.headers.get("content-type", ""))
    try:
        body = await request.body()
    except InternalServerException:  # what Litestar makes of a connection that ends early
        raise ClientGone from None
    return _decoded(body, decoder)


async def receive_body(
    scope: Scope, receive: Receive, decoder: msgspec.json.Decoder[T], limit: int = MAX_BODY_BYTES
) -> T:
    """Return the decoded body of a request to an ASGI application.

    Raises:
        ClientGone: the connection ended before the body did.
        UnsupportedMediaType: it is not declared as application/json.
        RequestEntityTooLarge: it has more than `limit` bytes.
        MalformedJson: it is not JSON in UTF-8, or nested beyond reason.
        RequestRefused: it does not fit; `pointer` is the JSON pointer (RFC 6901) of the place.
    """
    headers = dict(scope["headers"])
    _check_media_type(headers.get(b"content-type", b"").decode("latin-1"))
    if int(headers.get(b"content-length", b"0")) > limit:
        raise RequestEntityTooLarge
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        pieces.append(message["body"])
        size += len(message["body"])
        if size > limit:
            raise RequestEntityTooLarge
        if not message["more_body"]:
            return _decoded(b"".join(pieces), decoder)


def _check_media_type(declared: str) -> None:
    if declared != JSON and declared.partition(";")[0].strip().lower() != JSON:
        raise UnsupportedMediaType


def _decoded(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message, pointer = explain(str(error))
        raise RequestRefused(message, pointer=pointer) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson(f"The body is not JSON: {type(error).__name__}.") from None


def explain(text: str) -> tuple[str, str]:
    """Split msgspec's message into the sentence and the JSON pointer of the place it speaks of."""
    match = _PATH.match(text)
    message, path = (match["message"], match["path"] or "") if match else (text, "")
    steps = re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", path)
    names = [name or index for name, index in steps]
    if field := _UNKNOWN_FIELD.search(message):
        names.append(field["name"] or field["missing"])
    return f"{message}.", "".join(f"/{name.replace('~', '~0').replace('/', '~1')}" for name in names)
