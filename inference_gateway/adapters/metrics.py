"""What is told to Prometheus of adapters as pieces of property: refusals are security events."""

from prometheus_client import Counter

from inference_gateway.adapters.faults import ManifestForged, ManifestMismatch, WeightsCorrupt
from ops.runtime.telemetry import REGISTRY

DENIED = Counter("lyceum_adapter_denied_total", "Requests for unknown or foreign adapters", registry=REGISTRY)
QUARANTINED = Counter(
    "lyceum_adapter_quarantined_total", "Adapters found corrupt or unsigned", ["reason"], registry=REGISTRY
)
for fault in (ManifestForged, ManifestMismatch, WeightsCorrupt):
    QUARANTINED.labels(fault.reason)  # at 0 from the beginning: a series that begins with 1 does not increase
