"""TCP ports on the loopback address."""

import errno
import random
import socket

LOOPBACK = "127.0.0.1"
OTHERS = (12_000, 32_000)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` now (a port in TIME_WAIT counts as free)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def free_port(preferred: int = 0) -> int:
    """Return `preferred` when it is free, else another below those the system hands out.

    A port from the system's own range could be taken by an outgoing connection before a server listens on it.
    """
    port = preferred
    while not port or not is_free(port):
        port = random.randrange(*OTHERS)  # noqa: S311 - any will do
    return port
