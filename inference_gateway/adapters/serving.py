"""The adapters of a running gateway: one library, and one authority that its gate and its engines share."""

import msgspec

from inference_gateway.adapters.authority import Authority
from inference_gateway.adapters.folder import ObjectRegistry
from inference_gateway.adapters.gate import RegistryGate
from inference_gateway.adapters.library import AdapterLibrary
from inference_gateway.adapters.manifest import ManifestKey
from inference_gateway.adapters.registry import PostgresRegistry
from inference_gateway.adapters.supply import AdapterLimits, AdapterSupply
from ops.runtime.crypto import decode_key
from ops.runtime.objects import ObjectStore
from ops.runtime.settings import Settings


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """Who may use an adapter, and what an engine needs to serve it."""

    gate: RegistryGate
    supply: AdapterSupply


def serving_from(settings: Settings) -> Serving | None:
    """Return what serves adapters, or None where there is no object store that could hold any."""
    library = library_from(settings)
    if library is None:
        return None
    authority = Authority()
    limits = AdapterLimits(loaded_bytes=settings.adapter_bytes)
    supply = AdapterSupply(source=library, authority=authority, limits=limits)
    return Serving(gate=RegistryGate(library, authority), supply=supply)


def library_from(settings: Settings) -> AdapterLibrary | None:
    """Return the library of this installation; its names are in PostgreSQL, or without it beside the weights.

    The pool of `db.engine` must be open when it is asked.
    """
    if not settings.object_store_url or not settings.service_key:
        return None
    store = ObjectStore.from_url(settings.object_store_url)
    registry = PostgresRegistry() if settings.database_url else ObjectRegistry(store)
    return AdapterLibrary(registry, store, ManifestKey(decode_key(settings.service_key)))
