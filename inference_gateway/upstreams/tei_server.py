"""Text Embeddings Inference over HTTP: one request, its deadline, and what a server can do wrong, in the gateway's errors.

`huggingface_hub` has no call for `/rerank`, and its `feature_extraction` hides how many tokens were read; a contract test
shows that both give the same vectors.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2
import msgspec

from inference_gateway.errors import GatewayError, UpstreamBroken, UpstreamOverloaded, UpstreamTimeout
from inference_gateway.routing import metrics
from inference_gateway.routing.breaker import Breaker, Rules
from inference_gateway.upstreams.faults import RETRY_AFTER_SECONDS, of_status
from inference_gateway.upstreams.transport import Connections

TOKENS_HEADER = "x-compute-tokens"

REST = Rules(longest_seconds=8.0)
"""Short, since nothing stands in for the server."""

T = TypeVar("T")


class TeiInfo(msgspec.Struct, frozen=True):
    """What `/info` tells; `model_type` has one key: `embedding`, `reranker` or `classifier`."""

    model_id: str
    model_type: dict[str, Any] | str
    max_input_length: int
    model_sha: str | None = None
    max_client_batch_size: int = 32

    def is_of(self, kind: str) -> bool:
        """Tell whether the model is of this type."""
        return kind in self.model_type if isinstance(self.model_type, dict) else kind == self.model_type.lower()


class TeiServer:
    """One server, which a breaker guards. `unavailable` is raised when it cannot be reached, is not ready or has a rest."""

    def __init__(
        self,
        name: str,
        connections: Connections,
        seconds: float,
        unavailable: type[GatewayError],
        rules: Rules | None = None,
    ) -> None:
        self._name = name
        self._connections = connections
        self._seconds = seconds
        self._unavailable = unavailable
        self.breaker = Breaker(rules or REST, on_change=metrics.breaker_states(name))

    async def info(self) -> TeiInfo:
        """Ask what it serves; raises as `ask` does."""
        return (await self.ask("GET", "/info", TeiInfo))[0]

    async def check(self) -> None:
        """Return when the server's own health check does; raises as `ask` does."""
        with self._faults():
            await self._send("GET", "/health", None)

    async def ask(self, method: str, path: str, kind: type[T], body: dict[str, Any] | None = None) -> tuple[T, int]:
        """Return the decoded answer, and the tokens that were read for it.

        Raises:
            UpstreamOverloaded: it answered 429.
            RequestRefused: it will not take this request, e.g. because a text is too long.
            UpstreamTimeout: it gave no answer in time.
            UpstreamBroken: it broke off, or sent what cannot be read.
            GatewayError: of the kind `unavailable`.
        """
        with self._judged(), self._faults():
            response = await self._send(method, path, body)
            tokens = response.headers.get(TOKENS_HEADER, "")
            return msgspec.json.decode(response.content, type=kind), int(tokens) if tokens.isdigit() else 0

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connections.close()

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx2.Response:
        headers = {**self._connections.plain_headers(), "content-type": "application/json"}
        content = None if body is None else msgspec.json.encode(body)
        async with asyncio.timeout(self._seconds), self._connections.http() as http:
            url = f"{self._connections.base_url}{path}"
            response = await http.request(method, url, content=content, headers=headers)
        if not response.is_success:
            told = response.headers.get("retry-after", "")
            raise of_status(response.status_code, told, "The server", self._unavailable)
        return response

    @contextmanager
    def _judged(self) -> Iterator[None]:
        leave = self.breaker.enter()
        if leave is None:
            wait = max(1, round(self.breaker.seconds_until_probe))
            raise self._unavailable("The server failed lately and is given a rest.", retry_after_seconds=wait)
        outcome = "left"
        try:
            yield
            outcome = "ok"
            leave.answered()
            leave.succeeded()
        except UpstreamOverloaded as error:
            outcome = error.code
            leave.answered()
            raise
        except (UpstreamBroken, self._unavailable) as error:
            outcome = error.code
            leave.failed()
            raise
        except BaseException:
            leave.left()
            raise
        finally:
            metrics.ATTEMPTS.labels(self._name, outcome).inc()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise UpstreamTimeout(f"The server gave no answer within {self._seconds:g} s.") from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise self._unavailable(
                f"The server cannot be reached: {type(error).__name__}.", retry_after_seconds=RETRY_AFTER_SECONDS
            ) from None
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise UpstreamBroken(f"The server broke off: {type(error).__name__}.") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamBroken(f"The server's answer cannot be read: {type(error).__name__}.") from None
