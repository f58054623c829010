"""How much of the process's pool is in use, for Prometheus: the first thing to look at when requests wait for nothing."""

from collections.abc import Iterator

from asyncpg.pool import Pool
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ops.runtime.telemetry import REGISTRY


class PoolGauges(Collector):
    """The connections of the pool that is open; none is a pool without connections."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._pool: Pool | None = None
        registry.register(self)

    def show(self, pool: Pool) -> None:
        """Let this be the process's pool."""
        self._pool = pool

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the connections that are open, those of them that are idle, and how many there may be."""
        pool = self._pool
        connections = GaugeMetricFamily("lyceum_database_connections", "connections of the pool", labels=["state"])
        maximum = GaugeMetricFamily("lyceum_database_connections_max", "connections the pool may open")
        if pool is not None:
            connections.add_metric(["open"], pool.get_size())
            connections.add_metric(["idle"], pool.get_idle_size())
            maximum.add_metric([], pool.get_max_size())
        yield connections
        yield maximum


POOL_GAUGES = PoolGauges()
