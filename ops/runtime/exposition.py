"""Metrics of a process that serves no HTTP of its own (worker, clock), on an address for Prometheus alone."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server

from ops.runtime.settings import SettingsError
from ops.runtime.telemetry import REGISTRY


@contextmanager
def exposed_metrics(address: str) -> Iterator[None]:
    """Serve the process's metrics at `address` (`host:port`) while the block runs; '' serves nothing.

    Raises:
        SettingsError: there is no such address, or it is taken.
    """
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), addr=host.strip("[]"), registry=REGISTRY)
    except (OSError, ValueError, OverflowError) as error:
        raise SettingsError(f"LYCEUM_METRICS_ADDRESS: metrics cannot be served at {address}: {error}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
