"""What the embeddings and reranking engines tell Prometheus."""

import msgspec
from prometheus_client import Counter, Histogram

from ops.runtime.telemetry import LATENCY_BUCKETS_SECONDS, REGISTRY

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)


class BatchMetrics(msgspec.Struct, frozen=True):
    """Of one engine, by lane: texts computed, texts in a batch, age of a batch's oldest request when it starts."""

    texts: Counter
    batch_texts: Histogram
    queue_seconds: Histogram


def _metrics(done: str, engine: str) -> BatchMetrics:
    prefix = f"lyceum_{engine}"
    return BatchMetrics(
        Counter(f"lyceum_{done}_texts_total", f"Texts {done}", ["lane"], registry=REGISTRY),
        Histogram(f"{prefix}_batch_texts", "Texts in one batch", ["lane"], buckets=BATCH_BUCKETS, registry=REGISTRY),
        Histogram(
            f"{prefix}_queue_seconds",
            "Age of the oldest request of a batch when it starts",
            ["lane"],
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=REGISTRY,
        ),
    )


EMBEDDING = _metrics("embedded", "embedding")
RERANKING = _metrics("reranked", "reranking")
