"""What every generation server looks like to the gateway."""

from collections.abc import AsyncGenerator
from typing import Protocol, runtime_checkable

import msgspec

from inference_gateway.contract import ChatDelta, ChatRequest
from inference_gateway.ports import AuthorisedAdapter


class Upstream(Protocol):
    """A server that continues conversations. One contract suite runs against every implementation."""

    model: str

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Yield pieces, the last of which carries `finish_reason`; closing the generator ends the request upstream.

        Raises:
            GenerationUnavailable: the server cannot be reached or is not ready.
            UpstreamOverloaded: it answered 429; `retry_after_seconds` is what it said, or a guess.
            RequestRefused: it will not take this request, e.g. because the prompt is too long.
            UpstreamBroken: it broke off, or sent what cannot be read.
        """

    async def check(self) -> None:
        """Return when the server's own health check does; raises `GenerationUnavailable`."""

    async def close(self) -> None:
        """Close the connections that are kept."""


class TextToken(msgspec.Struct, frozen=True):
    """One token, and the characters of the text that it stands for."""

    id: int
    text: str
    start: int
    stop: int


class Tokenized(msgspec.Struct, frozen=True):
    """A text taken apart. `templated_text` is what a conversation was laid out as."""

    tokens: tuple[TextToken, ...]
    templated_text: str | None = None


@runtime_checkable
class Tokenizing(Protocol):
    """An upstream that tells the tokens of a text or a conversation."""

    async def tokenize(self, request: ChatRequest) -> Tokenized:
        """Return the prompt's tokens; raises as `Upstream.stream`."""


@runtime_checkable
class Adapting(Protocol):
    """An upstream that loads adapters as they are asked for, and checks their owner itself."""

    def stream_with(self, request: ChatRequest, adapter: AuthorisedAdapter) -> AsyncGenerator[ChatDelta, None]:
        """Do as `Upstream.stream` does, with the adapter; without it, and `degraded` on each piece, where it fails."""


@runtime_checkable
class Loading(Protocol):
    """An upstream that must be loaded into this process first."""

    def start(self) -> None:
        """Begin to load in the background."""

    async def settled(self) -> None:
        """Return when the model is ready or has failed; raises `StillLoading` until then."""
