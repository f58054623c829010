"""The gateway's client for the other processes: embeddings, model facts and streamed chat over one connection pool.

Imports no torch, no numpy and no web framework. One client per process and event loop; close it with `aclose`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from urllib.parse import quote
from uuid import UUID

import httpx
import msgspec

from inference_gateway.contract import (
    ADMIN_PURPOSE,
    EMBED_PURPOSE,
    GENERATE_PURPOSE,
    AnswerFacts,
    ChatDelta,
    ChatRequest,
    EmbeddingBatch,
    Lane,
    ModelInfo,
    Overview,
    UpstreamView,
)
from inference_gateway.errors import GatewayUnavailable, UpstreamBroken
from inference_gateway.events import event_data
from inference_gateway.replies import (
    EmbeddingReply,
    ModelList,
    chat_body,
    decode_vector,
    deltas_of,
    error_of,
    facts_of,
    read_reply,
)
from ops.runtime.context import request_id
from ops.runtime.telemetry import inject_traceparent
from ops.runtime.tls import verification
from ops.runtime.tokens import ServiceClaims, ServiceTokens

CONNECT_SECONDS = 2.0
READ_SECONDS: dict[Lane, float] = {"query": 10.0, "passage": 600.0}
MAX_CONNECTIONS = 1024
"""Each answer that streams holds one."""

STREAM_READ_SECONDS = 150.0
"""Longer than the gateway's own deadlines, so that it is the gateway that explains a silence."""

TEXTS_PER_REQUEST = 256
"""Large enough for the engine to sort by length, small enough to decode without holding up the event loop."""


class GatewayClient:
    """Speaks to `base_url` with a signed token of 60 seconds on each request."""

    def __init__(self, base_url: str, service_tokens: ServiceTokens) -> None:
        self._tokens = service_tokens
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            timeout=httpx.Timeout(10.0, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=64, keepalive_expiry=30.0),
            trust_env=False,
            verify=verification(base_url),
        )

    async def __aenter__(self) -> "GatewayClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def embed(self, texts: Sequence[str], *, lane: Lane, tenant_id: UUID | None) -> EmbeddingBatch:
        """Return one vector for each text, in order. Give a document's passages in one call: sorting pays.

        Raises:
            GatewayOverloaded: the lane is full; `retry_after_seconds` says when to come back.
            GatewayUnavailable: no gateway, no answer in time, or its model is loading or failed.
        """
        if not texts:
            info = await self.model_info()
            return _batch([], info.embedder, info.revision, info.dimensions, 0)
        vectors: list[list[float]] = []
        tokens = 0
        for start in range(0, len(texts), TEXTS_PER_REQUEST):
            reply = await self._embed_once(texts[start : start + TEXTS_PER_REQUEST], lane, tenant_id)
            vectors.extend(decode_vector(item.embedding) for item in reply.data)
            tokens += reply.usage.prompt_tokens
        return _batch(vectors, reply.model, reply.revision, len(vectors[0]), tokens)

    async def model_info(self) -> ModelInfo:
        """Return the facts about the models that are served.

        Raises:
            GatewayUnavailable: as `embed` does; `ModelLoading` while the facts are not known yet.
        """
        reply = await self._send("GET", "/v1/models", None, self._headers(EMBED_PURPOSE), 5.0)
        listing = read_reply(reply.content, ModelList)
        embedder = next((card for card in listing.data if card.kind == "embedding"), None)
        if embedder is None:
            raise GatewayUnavailable("The gateway serves no embedding model.")
        return ModelInfo(
            embedder=embedder.id,
            revision=embedder.revision,
            dimensions=embedder.dimensions,
            languages=embedder.languages,
            max_tokens=embedder.max_tokens,
            generator=next((card.id for card in listing.data if card.kind == "generation"), None),
        )

    async def upstreams(self) -> Overview:
        """Return the upstreams of the gateway with their breakers, and the names that lead to them.

        Raises:
            GatewayUnavailable: no gateway.
        """
        reply = await self._send("GET", "/admin/upstreams", None, self._headers(ADMIN_PURPOSE), 5.0)
        return read_reply(reply.content, Overview)

    async def set_draining(self, upstream: str, *, draining: bool) -> UpstreamView:
        """Give an upstream nothing new, or give it work again.

        Raises:
            UpstreamUnknown: there is none of that name. GatewayUnavailable: no gateway.
        """
        path = f"/admin/upstreams/{quote(upstream, safe='')}/{'drain' if draining else 'resume'}"
        reply = await self._send("POST", path, b"", self._headers(ADMIN_PURPOSE), 5.0)
        return read_reply(reply.content, UpstreamView)

    async def stream_chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Yield the answer piece by piece; closing the iterator cancels the generation. The first piece carries the facts.

        Raises:
            RequestRefused: the gateway does not take it: a raw prompt, for one, comes without tools, schema and cache scope.
            GenerationUnavailable: no generation model is set up or it cannot be reached.
            GatewayOverloaded: too many generations run; `QuotaExhausted` when a quota is used up, also mid-stream.
            UpstreamBroken: the stream broke after what was yielded; `UpstreamTimeout` when it fell silent.
            GatewayUnavailable: no gateway.
        """
        path = "/v1/chat/completions" if request.prompt is None else "/v1/completions"
        async with self._open_stream(path, chat_body(request), self._headers_of(request)) as response:
            facts = facts_of(response.headers)
            told: AnswerFacts | None = facts
            async for event in event_data(response.aiter_bytes()):
                if event == b"[DONE]":
                    return
                for delta in deltas_of(event):
                    yield msgspec.structs.replace(delta, degraded=facts.degraded, facts=told)
                    told = None
        raise UpstreamBroken("The gateway's stream ended before its end was announced.")

    async def _embed_once(self, texts: Sequence[str], lane: Lane, tenant_id: UUID | None) -> EmbeddingReply:
        body = msgspec.json.encode({"input": texts, "lane": lane, "encoding_format": "base64"})
        headers = self._headers(EMBED_PURPOSE, tenant_id)
        reply = await self._send("POST", "/v1/embeddings", body, headers, READ_SECONDS[lane])
        return read_reply(reply.content, EmbeddingReply)

    async def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], read_seconds: float
    ) -> httpx.Response:
        timeout = httpx.Timeout(read_seconds, connect=CONNECT_SECONDS)
        request = self._http.build_request(method, path, content=body, headers=headers, timeout=timeout)
        try:
            try:
                reply = await self._http.send(request)
            except (httpx.RemoteProtocolError, httpx.ReadError):
                # A kept-alive connection that the server had closed: these requests may be sent twice.
                reply = await self._http.send(request)
        except httpx.TransportError as error:
            raise _unreachable(error) from error
        if reply.status_code != httpx.codes.OK:
            raise error_of(reply.status_code, reply.content, reply.headers.get("retry-after", ""))
        return reply

    @asynccontextmanager
    async def _open_stream(self, path: str, body: bytes, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        timeout = httpx.Timeout(STREAM_READ_SECONDS, connect=CONNECT_SECONDS)
        request = self._http.build_request("POST", path, content=body, headers=headers, timeout=timeout)
        try:
            response = await self._http.send(request, stream=True)
        except httpx.TransportError as error:
            raise _unreachable(error) from error
        try:
            if response.status_code != httpx.codes.OK:
                raise error_of(response.status_code, await response.aread(), response.headers.get("retry-after", ""))
            yield response
        except httpx.TransportError as error:
            raise UpstreamBroken(f"The gateway's stream broke: {type(error).__name__}.") from error
        finally:
            await response.aclose()

    def _headers_of(self, request: ChatRequest) -> dict[str, str]:
        """The token serves for the adapter that is asked for, and for no other of the person's."""
        claims = ServiceClaims(
            tenant_id=request.tenant_id,
            user_id=request.user_id,
            purpose=GENERATE_PURPOSE,
            adapter_hash=request.adapter.rpartition("@")[2],
            course_id=request.course_id,
        )
        return self._signed(claims)

    def _headers(self, purpose: str, tenant_id: UUID | None = None) -> dict[str, str]:
        return self._signed(ServiceClaims(tenant_id=tenant_id, user_id=None, purpose=purpose))

    def _signed(self, claims: ServiceClaims) -> dict[str, str]:
        token = self._tokens.issue(claims)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if identifier := request_id.get():
            headers["X-Request-ID"] = identifier
        if traceparent := inject_traceparent():
            headers["traceparent"] = traceparent
        return headers


def _batch(vectors: list[list[float]], model: str, revision: str, dimensions: int, tokens: int) -> EmbeddingBatch:
    return EmbeddingBatch(model=model, revision=revision, dimensions=dimensions, vectors=vectors, prompt_tokens=tokens)


def _unreachable(error: httpx.TransportError) -> GatewayUnavailable:
    return GatewayUnavailable(f"The gateway gave no answer: {type(error).__name__}.", retry_after_seconds=2)
