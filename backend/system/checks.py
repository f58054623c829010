"""What readiness asks of each part of the installation.

Without PostgreSQL or its files an api process is of no use. Without the others it gives the lesser answers that the
documentation names, so it stays in service and says what is missing.
"""

from db.engine import ping as ping_database
from inference_gateway.client import GatewayClient
from inference_gateway.errors import ModelLoading
from ops.runtime.health import HealthRegistry, StillLoading
from ops.runtime.objects import ObjectStore
from ops.runtime.redis import Redis
from rag.store import QdrantVectorStore

PROBE_KEY = "health"


def health_registry(
    redis: Redis, objects: ObjectStore, vectors: QdrantVectorStore, gateway: GatewayClient
) -> HealthRegistry:
    """Return the checks of an api process."""

    async def check_redis() -> None:
        await redis.ping()

    async def check_objects() -> None:
        await objects.exists(PROBE_KEY)

    async def check_gateway() -> None:
        try:
            await gateway.model_info()
        except ModelLoading as error:
            raise StillLoading("the embedding model loads") from error

    registry = HealthRegistry()
    registry.add("postgres", ping_database)
    registry.add("objects", check_objects)
    registry.add("redis", check_redis, required=False)
    registry.add("vectors", vectors.health, required=False)
    registry.add("gateway", check_gateway, required=False)
    return registry
