"""What an api process holds open, from its first to its last request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from backend.identity.runtime import close_identity, open_identity
from backend.kit.cache import Cache
from backend.kit.ratelimit import RateLimits, RequestGate
from backend.system.checks import health_registry
from db.dispatch import close_dispatch, open_dispatch
from db.watch import watched_database
from inference_gateway.client import GatewayClient
from ops.runtime.crypto import ServiceTokens, decode_key
from ops.runtime.objects import ObjectStore
from ops.runtime.redis import open_redis, open_redis_blocking
from ops.runtime.settings import Settings
from ops.runtime.telemetry import configure_telemetry, shutdown_telemetry, watch_event_loop
from rag import language
from rag.retrieve import GatewayEmbedder
from rag.store import open_vector_store

if TYPE_CHECKING:
    from litestar.datastructures import State

POOL_SIZE = 20
SEARCH_SECONDS = 3


@asynccontextmanager
async def open_resources(settings: Settings, state: "State", limits: RateLimits | None = None) -> AsyncIterator[None]:
    """Open everything and put it on the application's `state`.

    The process starts whether or not the other servers answer yet: until they do, requests that need them get 503 and
    `/health/ready` says which one is missing.
    """
    async with AsyncExitStack() as stack:
        configure_telemetry("api", settings)
        stack.callback(shutdown_telemetry)
        stack.callback(asyncio.create_task(watch_event_loop()).cancel)
        stack.callback(asyncio.create_task(asyncio.to_thread(language.warm)).cancel)
        state.redis = open_redis(settings.redis_url)
        stack.push_async_callback(state.redis.aclose)
        state.redis_blocking = open_redis_blocking(settings.redis_url)
        stack.push_async_callback(state.redis_blocking.aclose)
        state.cache = Cache(state.redis, "lyceum")
        identity = open_identity(settings, state.redis)
        stack.callback(close_identity)
        state.gate = RequestGate(state.redis, limits or RateLimits.of(settings), identity.cache.renew_generation)
        state.objects = ObjectStore.from_url(settings.object_store_url)
        state.vectors = open_vector_store(settings.qdrant_url, settings.qdrant_api_key, timeout_seconds=SEARCH_SECONDS)
        stack.push_async_callback(state.vectors.close)
        state.gateway = GatewayClient(settings.gateway_url, ServiceTokens(decode_key(settings.service_key)))
        stack.push_async_callback(state.gateway.aclose)
        state.embedder = GatewayEmbedder(state.gateway)
        state.health = health_registry(state.redis, state.objects, state.vectors, state.gateway)
        open_dispatch(settings.broker_url)
        stack.callback(close_dispatch)
        await stack.enter_async_context(watched_database(settings, pool_size=POOL_SIZE))
        yield
