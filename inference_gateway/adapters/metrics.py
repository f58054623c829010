"""What is told to Prometheus of adapters as pieces of property: refusals are security events."""

from prometheus_client import Counter

from ops.runtime.telemetry import REGISTRY

DENIED = Counter("lyceum_adapter_denied_total", "Requests for unknown or foreign adapters", registry=REGISTRY)
QUARANTINED = Counter(
    "lyceum_adapter_quarantined_total", "Adapters found corrupt or unsigned", ["reason"], registry=REGISTRY
)
