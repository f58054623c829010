"""The gateway's stream with an eye on the gateway: a model may think for a minute, a gateway that is gone may not."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from inference_gateway.client import GatewayClient
from inference_gateway.contract import ChatDelta, ChatRequest
from inference_gateway.errors import GatewayUnavailable

SILENCE_SECONDS = 2.0
ANSWER_SECONDS = 1.5


class WatchedGeneration:
    """`GatewayClient.stream_chat`, given up when the gateway answers no other question either."""

    def __init__(self, gateway: GatewayClient) -> None:
        self._gateway = gateway

    async def __call__(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Yield the answer piece by piece.

        Raises:
            GatewayUnavailable: the stream was silent for 2 s and the gateway did not answer within 1.5 s more.
            GatewayError: as `stream_chat`.
        """
        async with aclosing(self._gateway.stream_chat(request)) as deltas:
            while (delta := await self._next(deltas)) is not None:
                yield delta

    async def _next(self, deltas: AsyncIterator[ChatDelta]) -> ChatDelta | None:
        coming = asyncio.create_task(_following(deltas))
        try:
            while not (await asyncio.wait({coming}, timeout=SILENCE_SECONDS))[0]:
                await self._ask_gateway()
            return coming.result()
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _ask_gateway(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._gateway.model_info()
        except TimeoutError:
            raise GatewayUnavailable("The gateway fell silent.", retry_after_seconds=2) from None


async def _following(deltas: AsyncIterator[ChatDelta]) -> ChatDelta | None:
    return await anext(deltas, None)
