"""Who is at the other end of a connection, as far as its ASGI scope tells."""

from collections.abc import Mapping
from typing import Any

FORWARDING_HEADERS = frozenset((b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"))
LOOPBACK = ("127.0.0.1", "::1")


def is_from_this_machine(scope: Mapping[str, Any]) -> bool:
    """Tell whether the peer is a process of this machine that speaks for itself and is no proxy for somebody elsewhere."""
    client = scope.get("client")
    forwarded = any(name.lower() in FORWARDING_HEADERS for name, _ in scope["headers"])
    return client is not None and client[0] in LOOPBACK and not forwarded
