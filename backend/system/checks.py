"""What readiness asks of each part of the installation.

Without PostgreSQL an api process can answer nobody: it is `unavailable` (503) and a load balancer sends its requests
elsewhere. Without any of the others it is `degraded` (200): all replicas miss them alike, and taking every replica away would
turn the lesser answers that `ops/runbooks/degraded.md` promises into none.
"""

from db.engine import ping as ping_database
from inference_gateway.client import GatewayClient
from inference_gateway.errors import ModelLoading
from ops.runtime.health import HealthRegistry, StillLoading
from ops.runtime.objects import ObjectStore
from ops.runtime.redis import Redis
from rag.store import QdrantVectorStore


def health_registry(
    redis: Redis, objects: ObjectStore, vectors: QdrantVectorStore, gateway: GatewayClient
) -> HealthRegistry:
    """Return the checks of an api process."""

    async def check_redis() -> None:
        await redis.ping()

    async def check_gateway() -> None:
        try:
            await gateway.model_info()
        except ModelLoading as error:
            raise StillLoading("the embedding model loads") from error

    registry = HealthRegistry()
    registry.add("postgres", ping_database)
    registry.add("objects", objects.check, required=False)
    registry.add("redis", check_redis, required=False)
    registry.add("vectors", vectors.health, required=False)
    registry.add("gateway", check_gateway, required=False)
    return registry
