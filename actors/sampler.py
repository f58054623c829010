"""Samples the queues for charts and for Prometheus: one sampler for the whole installation, in the leading clock."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from db.repositories import queue_samples
from db.repositories.queue_samples import Sample
from db.unit_of_work import unit_of_work
from ops.runtime.telemetry import REGISTRY

LOOK_SECONDS = 1.0
FRESH_SECONDS = 60.0
"""For how long a sample stands for the present: a clock that leads no more goes silent instead of saying what was."""


class QueueGauges(Collector):
    """The last sample of each queue as gauges; none when it is old."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._samples: list[Sample] = []
        self._taken_at = 0.0
        registry.register(self)

    def show(self, samples: list[Sample]) -> None:
        """Let these be the present state."""
        self._samples = sorted((each for each in samples if each.tenant_id is None), key=lambda each: each.queue)
        self._taken_at = time.monotonic()

    def forget(self) -> None:
        """Know nothing, as before the first sample."""
        self._samples = []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield depth, age in seconds of what has waited longest and could start, and what runs."""
        families: list[tuple[str, str, Callable[[Sample], float]]] = [
            ("lyceum_queue_depth", "jobs that wait", lambda each: each.depth),
            ("lyceum_queue_oldest_age_seconds", "age of the oldest that could start", lambda each: each.oldest_seconds),
            ("lyceum_queue_in_flight", "jobs that run", lambda each: each.in_flight),
        ]
        fresh = time.monotonic() - self._taken_at < FRESH_SECONDS
        for name, description, value in families:
            family = GaugeMetricFamily(name, f"{description}, of all tenants", labels=["queue"])
            for each in self._samples if fresh else ():
                family.add_metric([each.queue], value(each))
            yield family


QUEUE_GAUGES = QueueGauges()


class Sampler:
    """Takes one sample of each slot of time; asked more often it does nothing."""

    def __init__(self, gauges: QueueGauges = QUEUE_GAUGES) -> None:
        self._gauges = gauges
        self._done: datetime | None = None

    async def sample(self) -> int:
        """Take the sample of the slot that has begun, if it is still to be taken. Always 0: nothing is left to do."""
        async with unit_of_work() as uow:
            part = await queue_samples.reach()
            if part.slot_at == self._done:
                return 0
            samples = await queue_samples.take(part)
            if part.slot_at != part.last_slot_at:
                await queue_samples.add(uow, part, samples)
        self._done = part.slot_at
        self._gauges.show(samples)
        return 0


async def roll_up() -> int:
    """Make samples of an hour of the day before yesterday coarse; return how many there were."""
    async with unit_of_work() as uow:
        return await queue_samples.roll_up(uow)


async def purge() -> int:
    """Delete some of the samples that are past their time; return how many."""
    async with unit_of_work() as uow:
        return await queue_samples.purge(uow)
