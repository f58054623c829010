"""Text Embeddings Inference in place of the engines of this process: embeddings and reranking."""

import asyncio
import hashlib
import math
import time
from collections.abc import Sequence

import msgspec

from inference_gateway.contract import Lane, ModelInfo
from inference_gateway.engines.batching import PROBE_TEXT, Embedded
from inference_gateway.engines.languages import model_languages, model_prompts
from inference_gateway.engines.protocol import Scores
from inference_gateway.errors import EmbedderFailed, GatewayError, ModelLoading, RerankingUnavailable, UpstreamBroken
from inference_gateway.limits.shared import Shared
from inference_gateway.rows import row_of
from inference_gateway.upstreams.shares import Room, in_shares
from inference_gateway.upstreams.tei_server import TeiInfo, TeiServer
from ops.runtime.health import StillLoading
from ops.runtime.logging import get_logger

log = get_logger(__name__)

ASK_AGAIN_SECONDS = 1.0
TRUSTED_SECONDS = 10.0
"""For so long what the server said it serves is taken to be so."""

PROBE_QUERY = "What does the fox jump over?"


class TeiEmbedder:
    """An embedding server. Its vectors have length 1; languages and prompts are judged by its model's name.

    What it serves is asked in the background, with each health check, and now and then before texts are sent: its revision
    is in every stored vector.
    """

    def __init__(self, server: TeiServer) -> None:
        self._server = server
        self._room = Room()
        self._told: TeiInfo | None = None
        self._told_at = -math.inf
        self._noticing: Shared[str, None] = Shared()
        self._info: ModelInfo | None = None
        self._trouble: GatewayError | None = None
        self._asking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask what is served."""
        self._asking = asyncio.get_running_loop().create_task(self._ask_until_told())

    def info(self) -> ModelInfo:
        """Return the facts; raises `ModelLoading` while the server has not told them."""
        if self._info is None:
            reason = self._trouble.detail if self._trouble else "asking the server"
            raise ModelLoading(f"The embedding model is not there yet: {reason}", retry_after_seconds=2)
        return self._info

    async def embed(self, texts: Sequence[str], lane: Lane, *, truncate: bool = True) -> Embedded:
        """Embed in shares of the server's own size; raises as `TeiServer.ask`, `GatewayOverloaded` when too many wait."""
        self.info()
        if time.monotonic() - self._told_at > TRUSTED_SECONDS:
            await self._noticing.do("info", self._notice_change)
        info = self.info()
        prompt = model_prompts(info.embedder, {})[lane]
        prompted = [prompt + text for text in texts] if prompt else texts
        with self._room.holding(lane, len(texts)):
            shares = await in_shares(prompted, self._share, lambda share: self._embed(share, truncate=truncate))
        rows = [row for share in shares for row in share.rows]
        if any(len(row) != 4 * info.dimensions for row in rows):
            raise UpstreamBroken("The embedding server gave vectors of another size.")
        return Embedded(rows=rows, tokens=sum(share.tokens for share in shares))

    async def check(self) -> None:
        """Ask the server's health check, and whether it serves what it did."""
        if self._info is None:
            raise self._trouble or StillLoading("asking the server")
        await self._server.check()
        await self._notice_change()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._asking is not None:
            self._asking.cancel()
        await self._server.aclose()

    @property
    def _share(self) -> int:
        return max(1, self._told.max_client_batch_size) if self._told is not None else 1

    async def _ask_until_told(self) -> None:
        while self._info is None:
            try:
                await self._learn(await self._server.info())
            except GatewayError as error:
                self._trouble = error
                log.warning("embedding_server_silent", code=error.code)
                await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def _notice_change(self) -> None:
        """Learn anew what is served where it is another; until that succeeds no text is embedded in the old one's name."""
        told = await self._server.info()
        if told == self._told:
            self._told_at = time.monotonic()
            return
        self._told_at = -math.inf
        log.warning("embedding_server_changed", model=told.model_id, revision=told.model_sha)
        await self._learn(told)

    async def _learn(self, told: TeiInfo) -> None:
        if not told.is_of("embedding"):
            raise EmbedderFailed(f"{told.model_id} is no embedding model.")
        probe = await self._embed((PROBE_TEXT,), truncate=True)
        self._told = told
        self._told_at = time.monotonic()
        self._info = ModelInfo(
            embedder=told.model_id,
            revision=told.model_sha or hashlib.sha256(told.model_id.encode()).hexdigest(),
            dimensions=len(probe.rows[0]) // 4,
            languages=model_languages(told.model_id),
            max_tokens=told.max_input_length,
        )
        log.info("embedding_server_ready", model=told.model_id)

    async def _embed(self, texts: Sequence[str], *, truncate: bool) -> Embedded:
        body = {"inputs": texts, "truncate": truncate, "normalize": True}
        vectors, tokens = await self._server.ask("POST", "/embed", list[list[float]], body)
        if len(vectors) != len(texts):
            raise UpstreamBroken("The embedding server gave another number of vectors.")
        return Embedded(rows=[row_of(vector) for vector in vectors], tokens=tokens)


class _Rank(msgspec.Struct):
    index: int
    score: float


class TeiReranker:
    """A reranking server."""

    def __init__(self, server: TeiServer) -> None:
        self._server = server
        self._room = Room()
        self._told: TeiInfo | None = None

    def start(self) -> None:
        """Nothing begins: the server is asked what it is with the first request."""

    async def scores(self, query: str, texts: Sequence[str], *, truncate: bool = True) -> Scores:
        """Score in shares of the server's own size; raises as `TeiServer.ask`, `GatewayOverloaded` when too many wait."""
        with self._room.holding("passage", len(texts)):
            told = self._told or await self._learn()
            shares = await in_shares(
                texts, max(1, told.max_client_batch_size), lambda share: self._score(query, share, truncate=truncate)
            )
        return Scores(
            logits=[logit for share in shares for logit in share.logits],
            tokens=sum(share.tokens for share in shares),
        )

    async def check(self) -> None:
        """Ask the server's health check, and what it serves."""
        await self._server.check()
        await self._learn()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._server.aclose()

    async def _learn(self) -> TeiInfo:
        told = await self._server.info()
        if not told.is_of("reranker"):
            raise RerankingUnavailable(f"{told.model_id} is no reranking model.")
        self._told = told
        return told

    async def _score(self, query: str, texts: Sequence[str], *, truncate: bool) -> Scores:
        body = {"query": query, "texts": texts, "truncate": truncate, "raw_scores": True, "return_text": False}
        ranks, tokens = await self._server.ask("POST", "/rerank", list[_Rank], body)
        by_index = {rank.index: rank.score for rank in ranks}
        if len(ranks) != len(texts) or by_index.keys() != set(range(len(texts))):
            raise UpstreamBroken("The reranking server scored other texts than it was asked about.")
        return Scores(logits=[by_index[index] for index in range(len(texts))], tokens=tokens)
