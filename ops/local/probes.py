"""One question to a local HTTP server."""

import http.client
from typing import NamedTuple

from ops.local.ports import LOOPBACK


class Answer(NamedTuple):
    """Status code (0: nobody answered) and body."""

    status: int
    body: bytes


def ask(port: int, path: str, timeout_seconds: float = 2.0) -> Answer:
    """GET `path` from the loopback address."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return Answer(response.status, response.read(65536))
    except (OSError, http.client.HTTPException):
        return Answer(0, b"")
    finally:
        connection.close()
