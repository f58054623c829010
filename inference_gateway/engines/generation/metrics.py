"""What the generation engine tells Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

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
ADAPTERS_LOADED = Gauge("lyceum_adapters_loaded", "Adapters in the engine's memory", registry=REGISTRY)
ADAPTER_BYTES = Gauge("lyceum_adapters_loaded_bytes", "Memory taken by adapters", registry=REGISTRY)
ADAPTER_LOADS = Counter("lyceum_adapter_loads_total", "Adapters wanted, and what came", ["outcome"], registry=REGISTRY)
ADAPTER_EVICTIONS = Counter("lyceum_adapter_evictions_total", "Adapters unloaded for others", registry=REGISTRY)
ADAPTER_DEGRADED = Counter(
    "lyceum_adapter_degraded_total", "Requests served by the base model for want of their adapter", registry=REGISTRY
)
ADAPTER_REFUSED = Counter(
    "lyceum_adapter_engine_refused_total",
    "Adapters without proof, or another's, that reached the engine",
    registry=REGISTRY,
)
ADAPTER_LOAD_SECONDS = Histogram(
    "lyceum_adapter_load_seconds",
    "From verified weights to a probe answered",
    buckets=LATENCY_BUCKETS_SECONDS,
    registry=REGISTRY,
)
