"""HTTP for `huggingface_hub`'s clients: one shared pool, one light client a request, no redirects, no foreign token.

`AsyncInferenceClient` keeps every streamed response open until the client is closed, so each request gets a client of
its own; they share the connections. Without a key of its own the library would send the machine's Hugging Face token.
"""

from contextvars import ContextVar
from types import TracebackType
from typing import Any

import httpx2
from huggingface_hub import AsyncInferenceClient, set_async_client_factory
from huggingface_hub.utils._http import default_async_client_factory

from inference_gateway.upstreams.address import is_refused
from ops.runtime.tls import verification

MAX_CONNECTIONS = 256


class _SharedTransport(httpx2.AsyncBaseTransport):
    """Lends a transport to a client that will close it."""

    def __init__(self, owner: httpx2.AsyncBaseTransport) -> None:
        self._owner = owner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not request.headers.get("authorization"):
            request.headers.pop("authorization", None)
        request.extensions = {**request.extensions, "trace": _refuse_some_addresses}
        return await self._owner.handle_async_request(request)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Leave the shared transport open."""

    async def aclose(self) -> None:
        """Leave the shared transport open."""


class Connections:
    """The pool of one upstream. Makes the clients of single requests; `close` ends it."""

    def __init__(self, base_url: str, api_key: str, connect_seconds: float) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = {"authorization": f"Bearer {api_key}" if api_key else ""}
        self._timeout = httpx2.Timeout(None, connect=connect_seconds)
        limits = httpx2.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=30.0)
        self._pool = httpx2.AsyncHTTPTransport(verify=verification(base_url), limits=limits, trust_env=False)
        # The library's own factory is meant for the hub: it follows redirects and refuses to connect in offline mode.
        set_async_client_factory(_http_of_the_lender)

    def http(self) -> httpx2.AsyncClient:
        """Return a client on the shared pool, for one request."""
        return httpx2.AsyncClient(
            transport=_SharedTransport(self._pool),
            event_hooks={"response": [_read_errors]},
            follow_redirects=False,
            timeout=self._timeout,
            trust_env=False,
        )

    def inference_client(self) -> Any:
        """Return an `AsyncInferenceClient` for one request; the caller closes it. Untyped: it takes httpx's timeouts."""
        _lender.set(self)
        timeout: Any = self._timeout
        return AsyncInferenceClient(base_url=self.base_url, timeout=timeout, headers=self._headers)

    def plain_headers(self) -> dict[str, str]:
        """Return the headers for a request made without `huggingface_hub`."""
        return dict(self._headers)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


_lender: ContextVar[Connections] = ContextVar("_lender")


async def _refuse_some_addresses(event: str, info: dict[str, Any]) -> None:
    """Let no name lead to a metadata service: look where a new connection has ended up before anything is sent."""
    if event != "connection.connect_tcp.complete":
        return
    stream = info["return_value"]
    peer = stream.get_extra_info("server_addr")
    if peer is None or is_refused(peer[0]):
        await stream.aclose()
        raise httpx2.ConnectError("the name leads to an address where no upstream may be")


async def _read_errors(response: httpx2.Response) -> None:
    """Read the body of an error: `huggingface_hub` looks into it, which fails on a stream that was not read."""
    if response.is_error:
        await response.aread()


def _http_of_the_lender() -> httpx2.AsyncClient:
    """Return a client on the pool of whoever asks; who has none, such as another user of the library, gets its own."""
    lender = _lender.get(None)
    return default_async_client_factory() if lender is None else lender.http()
