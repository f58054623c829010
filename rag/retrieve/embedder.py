"""Questions' vectors from the inference gateway; without it search goes on by words alone."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from inference_gateway.client import GatewayClient
from inference_gateway.contract import GatewayError, ModelInfo
from ops.runtime.logging import get_logger
from rag.language import detect
from rag.retrieve.contract import QueryVector

log = get_logger(__name__)

ANSWER_SECONDS = 2.0
MODEL_SECONDS = 60.0
PAUSE_SECONDS = 5.0
"""How long a gateway that failed is not asked again: otherwise each question would wait for it in vain."""
KNOWN_QUESTIONS = 256


class GatewayEmbedder:
    """One per process. Keeps what it knows of the model for a minute, and the vectors of the latest questions."""

    def __init__(self, gateway: GatewayClient) -> None:
        self._gateway = gateway
        self._known: OrderedDict[tuple[str, str], Sequence[float]] = OrderedDict()
        self._info: ModelInfo | None = None
        self._info_until = 0.0
        self._paused_until = 0.0

    async def __call__(self, text: str, language: str, tenant_id: UUID, /) -> QueryVector:
        """Return the question's vector, or none where the model does not know `language` or cannot be reached."""
        info = await self.model()
        if info is None or not info.knows(language):
            return self._without_vector(missing=info is None)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if (known := self._known.get((info.revision, text))) is not None:
                    return QueryVector(model=info.revision, values=known)
                batch = await self._gateway.embed([text], lane="query", tenant_id=tenant_id)
        except (GatewayError, TimeoutError) as error:
            self._pause(error)
            return self._without_vector(missing=True)
        self._remember(batch.revision, text, batch.vectors[0])
        return QueryVector(model=batch.revision, values=batch.vectors[0])

    async def model(self) -> ModelInfo | None:
        """Return what is known of the models, or None while the gateway is away."""
        now = time.monotonic()
        if now < self._paused_until:
            return None
        if self._info is None or now >= self._info_until:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._info = await self._gateway.model_info()
            except (GatewayError, TimeoutError) as error:
                self._pause(error)
                return None
            self._info_until = now + MODEL_SECONDS
        return self._info

    @property
    def revision(self) -> str:
        """The sha256 of the embedder's weights as last heard, empty before that."""
        return self._info.revision if self._info else ""

    def _pause(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + PAUSE_SECONDS
        log.warning("gateway_away", error=type(error).__name__)

    def _remember(self, revision: str, text: str, vector: Sequence[float]) -> None:
        self._known[revision, text] = vector
        if len(self._known) > KNOWN_QUESTIONS:
            self._known.popitem(last=False)

    def _without_vector(self, *, missing: bool) -> QueryVector:
        return QueryVector(model=self.revision, values=None, missing=missing)


class PreparedQuestion:
    """A `QueryEmbedder` for one question whose vector is being made already, while its asker's scope is still read."""

    def __init__(self, text: str, tenant_id: UUID, embedder: GatewayEmbedder) -> None:
        self._vector = asyncio.ensure_future(embedder(text, detect(text), tenant_id))

    async def __call__(self, *_question: object) -> QueryVector:
        """Return the vector. It never raises, so that nobody has to wait for one that is no longer needed."""
        return await self._vector
