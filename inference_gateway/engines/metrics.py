"""What the embeddings engine tells Prometheus."""

from prometheus_client import Counter, Histogram

from ops.runtime.telemetry import LATENCY_BUCKETS_SECONDS, REGISTRY

EMBEDDED_TEXTS = Counter("lyceum_embedded_texts_total", "Texts embedded", ["lane"], registry=REGISTRY)
BATCH_TEXTS = Histogram(
    "lyceum_embedding_batch_texts", "Texts in one batch", ["lane"], buckets=(1, 2, 4, 8, 16, 32, 64), registry=REGISTRY
)
QUEUE_SECONDS = Histogram(
    "lyceum_embedding_queue_seconds",
    "Age of the oldest request of a batch when it starts",
    ["lane"],
    buckets=LATENCY_BUCKETS_SECONDS,
    registry=REGISTRY,
)
