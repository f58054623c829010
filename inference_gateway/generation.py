"""Generation behind one door: admission by permits, deadlines, and an error with a name for whatever goes wrong."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Literal

import msgspec

from inference_gateway.caller import Caller
from inference_gateway.contract import GENERATE_PURPOSE, ChatDelta, ChatRequest
from inference_gateway.errors import GenerationUnavailable, ModelUnknown, UpstreamBroken
from inference_gateway.ports import Remaining
from inference_gateway.unset import MAX_GENERATIONS, Permits
from inference_gateway.upstreams.deadlines import Deadlines, with_deadlines
from inference_gateway.upstreams.protocol import Loading, Upstream


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller is told beside the text."""

    model: str
    upstream: str
    degraded: bool = False
    adapter: str = ""
    cache: Literal["hit", "miss", "bypass"] = "bypass"
    remaining: Remaining = Remaining()


class Answer:
    """One answer: `deltas` flow once they are asked for; `facts` are known when the first has come.

    Closing the answer, or `deltas`, cancels the upstream.
    """

    def __init__(self) -> None:
        self.facts = Facts(model="", upstream="")
        self.deltas: AsyncGenerator[ChatDelta, None]

    async def __aenter__(self) -> "Answer":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.deltas.aclose()


class Generation:
    """The one upstream of this gateway, or none."""

    def __init__(
        self, upstream: Upstream | None, deadlines: Deadlines | None = None, permits: int = MAX_GENERATIONS
    ) -> None:
        self._upstream = upstream
        self._deadlines = deadlines or Deadlines()
        self._admission = Permits(permits)

    @property
    def model(self) -> str | None:
        """Name of the model, or None where no upstream is set up."""
        return self._upstream.model if self._upstream else None

    def open(self, request: ChatRequest, caller: Caller) -> Answer:
        """Return the answer; nothing happens until its first delta is awaited, which raises what can go wrong before.

        Raises (from `deltas`):
            GenerationUnavailable: there is no upstream, or it cannot be reached.
            ModelUnknown, AdapterUnknown: not served here, or not to this caller.
            GatewayOverloaded: all permits are taken, a quota is used up, or the upstream says so.
            UpstreamBroken: it broke off or fell silent.
        """
        answer = Answer()
        answer.deltas = self._flow(request, caller, answer)
        return answer

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Yield the answer to nobody in particular."""
        return self.open(request, Caller(tenant_id=None, user_id=None, purpose=GENERATE_PURPOSE)).deltas

    async def _flow(self, request: ChatRequest, caller: Caller, answer: Answer) -> AsyncGenerator[ChatDelta, None]:
        upstream = self._upstream
        if upstream is None:
            raise GenerationUnavailable("No generation model is set up.")
        if request.model not in ("", upstream.model):
            raise ModelUnknown(f"The generation model served here is {upstream.model}.", pointer="/model")
        async with self._admission.admit(caller, request.max_tokens) as grant:
            answer.facts = Facts(model=upstream.model, upstream=upstream.model, remaining=grant.remaining)
            resolved = msgspec.structs.replace(request, model=upstream.model)
            async with aclosing(with_deadlines(upstream.stream(resolved), self._deadlines)) as deltas:
                finished = False
                async for delta in deltas:
                    finished = finished or delta.finish_reason is not None
                    yield delta
            if not finished:
                raise UpstreamBroken("The generation server ended without saying why.")

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
