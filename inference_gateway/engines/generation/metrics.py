"""What the generation engine tells Prometheus."""

from prometheus_client import Counter, Histogram

from ops.runtime.telemetry import LATENCY_BUCKETS_SECONDS, REGISTRY

GENERATED_TOKENS = Counter("lyceum_generated_tokens_total", "Tokens generated", registry=REGISTRY)
READ_TOKENS = Counter("lyceum_generation_prompt_tokens_total", "Tokens of prompts read", registry=REGISTRY)
MEMORY_EXHAUSTED = Counter("lyceum_generation_memory_exhausted_total", "Times memory ran out", registry=REGISTRY)
BATCH_SEQUENCES = Histogram(
    "lyceum_generation_batch_sequences", "Sequences in one step", buckets=(1, 2, 4, 8, 16, 32), registry=REGISTRY
)
QUEUE_SECONDS = Histogram(
    "lyceum_generation_queue_seconds",
    "From a request's arrival until its prompt is read",
    buckets=LATENCY_BUCKETS_SECONDS,
    registry=REGISTRY,
)
FIRST_TOKEN_SECONDS = Histogram(
    "lyceum_generation_first_token_seconds",
    "From a request's arrival to its first token",
    buckets=LATENCY_BUCKETS_SECONDS,
    registry=REGISTRY,
)
