"""Questions' vectors from the inference gateway; without it search goes on by words alone."""

import asyncio
import time
from uuid import UUID

from inference_gateway.client import GatewayClient
from inference_gateway.contract import GatewayError, ModelInfo
from ops.runtime.logging import get_logger
from rag.retrieve.contract import QueryVector

log = get_logger(__name__)

ANSWER_SECONDS = 2.0
MODEL_SECONDS = 60.0
PAUSE_SECONDS = 5.0
"""How long a gateway that failed is not asked again: otherwise each question would wait for it in vain."""


class GatewayEmbedder:
    """One per process. Keeps what it knows of the model for a minute."""

    def __init__(self, gateway: GatewayClient) -> None:
        self._gateway = gateway
        self._info: ModelInfo | None = None
        self._info_until = 0.0
        self._paused_until = 0.0

    async def __call__(self, text: str, language: str, tenant_id: UUID) -> QueryVector:
        """Return the question's vector, or none where the model does not know `language` or cannot be reached."""
        if time.monotonic() < self._paused_until:
            return self._without_vector(missing=True)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                info = await self.model()
                if not info.knows(language):
                    return self._without_vector(missing=False)
                batch = await self._gateway.embed([text], lane="query", tenant_id=tenant_id)
        except (GatewayError, TimeoutError) as error:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            log.warning("question_not_embedded", error=type(error).__name__)
            return self._without_vector(missing=True)
        return QueryVector(model=batch.revision, values=batch.vectors[0])

    async def model(self) -> ModelInfo:
        """Return what is known of the models.

        Raises:
            GatewayError: nothing is known yet and the gateway does not tell.
        """
        if self._info is None or time.monotonic() >= self._info_until:
            self._info = await self._gateway.model_info()
            self._info_until = time.monotonic() + MODEL_SECONDS
        return self._info

    @property
    def revision(self) -> str:
        """The sha256 of the embedder's weights as last heard, empty before that."""
        return self._info.revision if self._info else ""

    def _without_vector(self, *, missing: bool) -> QueryVector:
        return QueryVector(model=self.revision, values=None, missing=missing)
