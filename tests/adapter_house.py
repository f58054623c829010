"""A gateway with canaries: names in PostgreSQL, weights in a folder, answers kept in Valkey, memory for a few adapters."""

import asyncio
import base64
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from db import query
from db.engine import close_database, open_pool
from inference_gateway.adapters.library import AdapterLibrary
from inference_gateway.adapters.serving import library_from, serving_from
from inference_gateway.app import create_app
from inference_gateway.engines.batching import BatchingEmbedder
from inference_gateway.engines.slot import EmbedderSlot
from inference_gateway.generation import Generation
from inference_gateway.routing.build import router_from
from inference_gateway.stores import open_stores
from ops.local.ports import free_port
from ops.runtime.crypto import decode_key
from ops.runtime.ids import new_id
from ops.runtime.settings import Settings
from ops.runtime.tokens import ServiceTokens
from tests.canaries import Canary, raise_canaries
from tests.fakes.uvicorn_thread import served
from tests.gateways import HashingEncoder
from tests.models import save_small_llama
from tests.processes import until

START_SECONDS = 60
_SAMPLE = re.compile(r"^(lyceum_adapter\w*?)(?:_total)?(?:{[^}]*})? ([0-9.e+]+)$", re.MULTILINE)


class House(msgspec.Struct, frozen=True):
    """Settings of a gateway, and the adapters that it may serve."""

    settings: Settings
    canaries: list[Canary]

    @property
    def key(self) -> bytes:
        return decode_key(self.settings.service_key)

    @property
    def library(self) -> AdapterLibrary:
        """The registry needs the pool of the process that asks."""
        library = library_from(self.settings)
        assert library is not None
        return library


def furnished(folder: Path, database_url: str, redis_url: str, *, canaries: int, loaded: int) -> House:
    """Train canaries of two tenants and register them; there is room for `loaded` of them at a time."""
    save_small_llama(folder / "llama")
    settings = Settings(
        data_dir=folder / "data",
        gateway_url=f"http://127.0.0.1:{free_port()}",
        service_key=base64.b64encode(os.urandom(32)).decode(),
        model=str(folder / "llama"),
        database_url=database_url,
        redis_url=redis_url,
        object_store_url=(folder / "objects").as_uri(),
    )
    empty = House(settings, [])
    found = asyncio.run(_registered(folder / "llama", empty, canaries))
    size = max(canary.manifest.size_bytes for canary in found)
    return House(msgspec.structs.replace(settings, adapter_bytes=loaded * size), found)


async def _registered(model: Path, house: House, canaries: int) -> list[Canary]:
    tenants = [new_id(), new_id()]
    await open_pool(house.settings.database_url, pool_size=2)
    try:
        for tenant_id in tenants:
            await query.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, $2, $2)", tenant_id, str(tenant_id))
        return await raise_canaries(model, house.library, tenants, count=canaries)
    finally:
        await close_database()


@contextmanager
def open_house(house: House) -> Iterator[str]:
    """Serve what `inference_gateway.app.serve` builds, in this process, with an embedder that needs no model."""
    adapters = serving_from(house.settings)
    assert adapters is not None
    generation = Generation(router_from(house.settings, supply=adapters.supply))
    slot = EmbedderSlot("", lambda _embedder, _report: BatchingEmbedder(HashingEncoder()))
    app = create_app(
        ServiceTokens(house.key), slot, generation, lambda unset: open_stores(house.settings, unset, adapters)
    )
    with served(app) as url:
        until(lambda: httpx.get(f"{url}/health/ready").status_code == 200, START_SECONDS)
        yield url


def adapter_counts(url: str) -> Counter[str]:
    """Return the gateway's counts of adapters, summed over labels."""
    counts: Counter[str] = Counter()
    for name, value in _SAMPLE.findall(httpx.get(f"{url}/metrics").text):
        if not name.endswith("_created"):
            counts[name] += int(float(value))
    return counts
