"""The identifier that follows one act from the browser through the job to the gateway."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ops.runtime.ids import new_id

request_id: ContextVar[str] = ContextVar("request_id", default="")
service_name: ContextVar[str] = ContextVar("service_name", default="lyceum")

_ACCEPTABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}", re.ASCII)


def new_request_id() -> str:
    """Return a fresh identifier of 32 hexadecimal digits, ordered by time."""
    return new_id().hex


def accept_request_id(text: str) -> str:
    """Return `text` when it can safely stand in logs and headers (8 to 64 of `A-Za-z0-9._-`), else a new identifier."""
    return text if _ACCEPTABLE.fullmatch(text) else new_request_id()


@contextmanager
def bind_request(identifier: str) -> Iterator[str]:
    """Make `identifier` the request id of everything that runs inside, child tasks included."""
    token = request_id.set(identifier)
    try:
        yield identifier
    finally:
        request_id.reset(token)
