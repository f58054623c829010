"""A collector of spans that speaks OTLP over HTTP and keeps everything in memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """`bodies` as they came."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    def spans(self, service: str) -> list[Span]:
        """The spans of one process."""
        exports = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for export in exports
            for group in export.resource_spans
            if any(one.value.string_value == f"lyceum-{service}" for one in group.resource.attributes)
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def names(self, service: str) -> set[str]:
        """Names of the spans of one process."""
        return {span.name for span in self.spans(service)}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect on a free port until the block ends."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The test's output is not the place."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
