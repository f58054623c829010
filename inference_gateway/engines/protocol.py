"""What embeds and what reranks looks like to the gateway, in this process or elsewhere."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec

from inference_gateway.contract import Lane, ModelInfo
from inference_gateway.engines.batching import Embedded


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Logits in the order of the texts: the higher, the better the text answers. `tokens` that were read, 0: not told."""

    logits: list[float]
    tokens: int = 0


class Model(Protocol):
    """A model from the start of its loading, or of the search for its server, to the end of the process."""

    def start(self) -> None:
        """Begin in the background. Called on the event loop."""

    async def check(self) -> None:
        """Health check; raises `StillLoading` until the model is there."""

    async def aclose(self) -> None:
        """End; what is under way fails."""


@runtime_checkable
class Embedder(Model, Protocol):
    """Turns texts into vectors."""

    def info(self) -> ModelInfo:
        """Return the facts; raises `ModelLoading` or `EmbedderFailed` while they are not known."""

    async def embed(self, texts: Sequence[str], lane: Lane, *, truncate: bool = True) -> Embedded:
        """Return one vector for each text.

        Raises:
            RequestRefused: a text is too long and may not be cut; `pointer` leads to it below `/inputs`.
            GatewayOverloaded: too many wait.
            ModelLoading, EmbedderFailed: there is no model yet, or none that works.
        """


@runtime_checkable
class Reranker(Model, Protocol):
    """Tells how well texts answer a question."""

    async def scores(self, query: str, texts: Sequence[str], *, truncate: bool = True) -> Scores:
        """Return one logit for each text.

        Raises:
            RequestRefused: a text is too long with the question and may not be cut; `pointer` leads to it below `/texts`.
            GatewayOverloaded: too many wait.
            ModelLoading, RerankingUnavailable: there is no model yet, or none that works.
        """
