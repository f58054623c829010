"""Reading a request body: strict JSON into a struct, or an error with a stable name and a JSON pointer."""

import re
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import InternalServerException

from inference_gateway.errors import MalformedJson, RequestRefused, UnsupportedMediaType
from inference_gateway.wire.disconnect import ClientGone

T = TypeVar("T")

_PATH = re.compile(r"^(?P<message>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>[^`]*)`|required field `(?P<missing>[^`]*)`")


async def read_body(request: Request[Any, Any, Any], decoder: msgspec.json.Decoder[T]) -> T:
    """Return the decoded body.

    Raises:
        ClientGone: the connection ended before the body did.
        UnsupportedMediaType: it is not declared as application/json.
        MalformedJson: it is not JSON in UTF-8, or nested beyond reason.
        RequestRefused: it does not fit; `pointer` is the JSON pointer (RFC 6901) of the place.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType
    try:
        body = await request.body()
    except InternalServerException:  # what Litestar makes of a connection that ends early
        raise ClientGone from None
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
