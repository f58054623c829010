"""What the jobs of documents work with."""

from typing import Protocol

from inference_gateway.client import GatewayClient
from ops.runtime.objects import ObjectStore
from ops.runtime.redis import Redis
from rag.parse import Wall
from rag.store import VectorStore


class DocumentTools(Protocol):
    """Connections of the process that runs the jobs."""

    @property
    def objects(self) -> ObjectStore: ...
    @property
    def vectors(self) -> VectorStore: ...
    @property
    def gateway(self) -> GatewayClient: ...
    @property
    def redis(self) -> Redis | None: ...
    @property
    def max_file_bytes(self) -> int: ...
    @property
    def required_walls(self) -> tuple[Wall, ...]: ...
