"""What the work is done with, opened once per worker on the loop that uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backend.documents.sandbox import required_walls
from backend.notifications.sealing import Secrets
from backend.notifications.sending import Sender
from inference_gateway.client import GatewayClient
from ops.runtime.crypto import ServiceTokens, decode_key
from ops.runtime.objects import ObjectStore
from ops.runtime.redis import Redis, open_redis
from ops.runtime.settings import Settings
from rag.parse import Wall
from rag.store import VectorStore, open_vector_store


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Connections of one worker process."""

    objects: ObjectStore
    vectors: VectorStore
    gateway: GatewayClient
    redis: Redis | None
    max_file_bytes: int
    required_walls: tuple[Wall, ...]
    webhook_sender: Sender
    webhook_secrets: Secrets


@asynccontextmanager
async def open_tools(settings: Settings) -> AsyncIterator[Tools]:
    """Open the connections; none is tried before it is used."""
    vectors = open_vector_store(settings.qdrant_url, settings.qdrant_api_key)
    gateway = GatewayClient(settings.gateway_url, ServiceTokens(decode_key(settings.service_key)))
    redis = open_redis(settings.redis_url) if settings.redis_url else None
    try:
        yield Tools(
            objects=ObjectStore.from_url(settings.object_store_url),
            vectors=vectors,
            gateway=gateway,
            redis=redis,
            max_file_bytes=settings.max_upload_bytes,
            required_walls=required_walls(settings.env),
            webhook_sender=Sender(to_loopback=settings.webhooks_to_loopback),
            webhook_secrets=Secrets(settings.master_key),
        )
    finally:
        await gateway.aclose()
        await vectors.close()
        if redis is not None:
            await redis.aclose()
