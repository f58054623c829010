"""What the embedded engine needs to serve adapters. Imports no model library."""

from typing import Protocol
from uuid import UUID

import msgspec

from inference_gateway.adapters.authority import Authority
from inference_gateway.adapters.faults import AdapterFault
from inference_gateway.adapters.library import Artefact
from inference_gateway.adapters.names import AdapterName
from inference_gateway.ports import AuthorisedAdapter

MEBIBYTE = 1024 * 1024


class AdapterSource(Protocol):
    """Where weights come from: an `AdapterLibrary`."""

    async def fetch(self, adapter: AuthorisedAdapter) -> Artefact:
        """Return verified weights; raises `AdapterFault`, and has put into quarantine what is corrupt."""

    async def quarantine(self, name: AdapterName, tenant_id: UUID, fault: AdapterFault) -> None:
        """Let nobody load it any more."""

    async def still_active(self, ids: list[str]) -> set[str]:
        """Return those that were neither revoked nor put into quarantine."""


class AdapterLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of what is loaded at once, and patience in seconds.

    A request whose adapter is not there in time gets the base model. A failed adapter is tried again later; what was
    revoked elsewhere is unloaded within `sweep_seconds`.
    """

    loaded: int = 32
    loaded_bytes: int = 512 * MEBIBYTE
    patience_seconds: float = 10.0
    fetch_seconds: float = 30.0
    retry_seconds: float = 60.0
    sweep_seconds: float = 30.0


class AdapterSupply(msgspec.Struct, frozen=True, kw_only=True):
    """The source, and the authority whose proof the engine asks for."""

    source: AdapterSource
    authority: Authority
    limits: AdapterLimits = AdapterLimits()
