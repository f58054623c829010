"""What comes out of the pipe: pieces of text, and the facts about them."""

from collections.abc import AsyncGenerator
from types import TracebackType

import msgspec

from inference_gateway.contract import CacheOutcome, ChatDelta
from inference_gateway.ports import Remaining


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller is told beside the text. `model` is the one that really answered."""

    model: str
    model_hash: str = ""
    upstream: str
    degraded: bool = False
    adapter: str = ""
    cache: CacheOutcome = "bypass"
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
