"""Answers in JSON."""

from collections.abc import Mapping

import msgspec
from litestar import Response

from inference_gateway.wire.body import JSON


def document(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """Return a response of Litestar's that says `content`."""
    encoded = msgspec.json.encode(content)
    return Response(content=encoded, status_code=status, media_type=JSON, headers=dict(headers or {}))
