"""Generation behind one door: admission by permits, deadlines, and an error with a name for whatever goes wrong."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from inference_gateway.contract import ChatDelta, ChatRequest
from inference_gateway.errors import GatewayOverloaded, GenerationUnavailable, ModelUnknown, UpstreamBroken
from inference_gateway.upstreams.deadlines import Deadlines, with_deadlines
from inference_gateway.upstreams.protocol import Loading, Upstream

MAX_GENERATIONS = 64


class Generation:
    """The one upstream of this gateway, or none."""

    def __init__(
        self, upstream: Upstream | None, deadlines: Deadlines | None = None, permits: int = MAX_GENERATIONS
    ) -> None:
        self._upstream = upstream
        self._deadlines = deadlines or Deadlines()
        self._permits = permits

    @property
    def model(self) -> str | None:
        """Name of the model, or None where no upstream is set up."""
        return self._upstream.model if self._upstream else None

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Yield the answer; closing the iterator cancels the upstream.

        Raises:
            GenerationUnavailable: there is no upstream, or it cannot be reached.
            GatewayOverloaded: all permits are taken, or the upstream says so.
            UpstreamBroken: it broke off or fell silent.
        """
        if self._upstream is None:
            raise GenerationUnavailable("No generation model is set up.")
        if request.model not in ("", self._upstream.model):
            raise ModelUnknown(f"The generation model served here is {self._upstream.model}.", pointer="/model")
        if self._permits == 0:
            raise GatewayOverloaded("All generation permits are taken.", retry_after_seconds=2)
        self._permits -= 1
        try:
            resolved = msgspec.structs.replace(request, model=self._upstream.model)
            async with aclosing(with_deadlines(self._upstream.stream(resolved), self._deadlines)) as deltas:
                finished = False
                async for delta in deltas:
                    finished = finished or delta.finish_reason is not None
                    yield delta
            if not finished:
                raise UpstreamBroken("The generation server ended without saying why.")
        finally:
            self._permits += 1

    @property
    def loads(self) -> bool:
        """Tell whether the model is loaded into this process, so that the gateway is not ready before it is."""
        return isinstance(self._upstream, Loading)

    def start(self) -> None:
        """Load the model where it runs in this process."""
        if isinstance(self._upstream, Loading):
            self._upstream.start()

    async def settled(self) -> None:
        """Health check: raises `StillLoading` while a model is loaded into this process; a failed one is settled too."""
        if isinstance(self._upstream, Loading):
            await self._upstream.settled()

    async def check(self) -> None:
        """Health check: asks the upstream where one is set up."""
        if self._upstream is not None:
            await self._upstream.check()

    async def close(self) -> None:
        """Close the upstream's connections."""
        if self._upstream is not None:
            await self._upstream.close()
