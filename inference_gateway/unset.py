"""What stands behind the ports of a gateway without database and Redis: permits alone, and nothing kept."""

# ruff: noqa: ARG002 - each takes what its port gives

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from inference_gateway.caller import Caller
from inference_gateway.contract import ChatRequest, Usage
from inference_gateway.errors import AdapterUnknown, GatewayOverloaded
from inference_gateway.ports import AuthorisedAdapter, CachedAnswer, GenerationRecord, Grant, Ports, Remaining, Run

RETRY_AFTER_SECONDS = 2
MAX_GENERATIONS = 64


class FreeGrant:
    """A permit without a quota."""

    remaining = Remaining()
    covers_all = True

    def spend(self, completion_tokens: int) -> None:
        """Count nothing."""

    def settle(self, usage: Usage | None) -> None:
        """Give nothing back."""


class Permits:
    """Admission without quotas: so many at a time, and nobody waits."""

    def __init__(self, permits: int = MAX_GENERATIONS) -> None:
        self._free = permits

    @asynccontextmanager
    async def admit(self, caller: Caller, tokens: int, prompt_tokens: int = 0) -> AsyncIterator[Grant]:
        """Hold one of the permits; raises `GatewayOverloaded` when all are taken."""
        if self._free == 0:
            raise GatewayOverloaded("All generation permits are taken.", retry_after_seconds=RETRY_AFTER_SECONDS)
        self._free -= 1
        try:
            yield FreeGrant()
        finally:
            self._free += 1


class NoAdapters:
    """No registry: every adapter is unknown."""

    async def authorise(self, adapter_id: str, caller: Caller) -> AuthorisedAdapter:
        """Raise `AdapterUnknown`."""
        raise AdapterUnknown(pointer="/adapter")


class NoCache:
    """Keeps nothing."""

    def key(
        self, request: ChatRequest, caller: Caller, model_hash: str, adapter: AuthorisedAdapter | None
    ) -> str | None:
        """Return None."""
        return None

    async def get(self, key: str) -> CachedAnswer | None:
        """Return None."""
        return None

    async def put(self, key: str, answer: CachedAnswer, tags: tuple[str, ...]) -> None:
        """Keep nothing."""


class NoMeter:
    """Keeps no record."""

    def keeps_text(self, caller: Caller) -> bool:
        """Keep none."""
        return False

    def record(self, entry: GenerationRecord, run: Run | None = None) -> None:
        """Forget the entry."""


def unset_ports(permits: int = MAX_GENERATIONS) -> Ports:
    """Return the ports of a gateway that has neither database nor Redis."""
    return Ports(admission=Permits(permits), adapters=NoAdapters(), cache=NoCache(), meter=NoMeter())
