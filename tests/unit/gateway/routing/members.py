"""Upstreams that do as they are told, without a network."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

from inference_gateway.caller import Caller
from inference_gateway.contract import GENERATE_PURPOSE, ChatDelta, ChatMessage, ChatRequest, Usage
from inference_gateway.errors import GatewayError
from inference_gateway.routing.member import Member, Traits

TENANT = UUID(int=1)
CALLER = Caller(tenant_id=TENANT, user_id=UUID(int=2), purpose=GENERATE_PURPOSE)
REQUEST = ChatRequest(messages=(ChatMessage(role="user", content="Hello"),))
PIECES = ("One ", "two ", "three.")


class Scripted:
    """Says `PIECES`; each of `faults` is raised once, before the piece of that number."""

    def __init__(self, model: str = "tutor") -> None:
        self.model = model
        self.asked: list[ChatRequest] = []
        self.faults: list[tuple[int, GatewayError]] = []
        self.always: GatewayError | None = None
        self.closed = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        self.asked.append(request)
        place, fault = self.faults.pop(0) if self.faults else (0, self.always)
        try:
            for number, piece in enumerate(PIECES):
                if fault is not None and number == place:
                    raise fault
                yield ChatDelta(text=piece, model=self.model)
                await self.gate.wait()
            yield ChatDelta(finish_reason="stop", model=self.model)
            yield ChatDelta(usage=Usage(prompt_tokens=5, completion_tokens=3), model=self.model)
        finally:
            self.closed += 1

    async def check(self) -> None:
        """Be well."""

    async def close(self) -> None:
        """Nothing to close."""


def member(name: str, upstream: Scripted | None = None, **traits: object) -> Member:
    return Member(name, upstream or Scripted(f"model-of-{name}"), Traits(**traits))  # type: ignore[arg-type]
