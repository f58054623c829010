"""Which upstream the settings ask for."""

from inference_gateway.upstreams.deadlines import Deadlines
from inference_gateway.upstreams.openai import OpenAIUpstream
from inference_gateway.upstreams.protocol import Upstream
from inference_gateway.upstreams.tgi import SERVED_MODEL, TgiUpstream
from inference_gateway.upstreams.transport import Connections
from ops.runtime.settings import Settings


def upstream_from(settings: Settings, deadlines: Deadlines | None = None) -> Upstream | None:
    """Return the upstream behind `GENERATION_URL`, or None where it is not set."""
    if not settings.generation_url:
        return None
    base_url = settings.generation_url.rstrip("/").removesuffix("/v1")
    connections = Connections(base_url, settings.generation_api_key, (deadlines or Deadlines()).connect_seconds)
    model = settings.generation_model or SERVED_MODEL
    if settings.generation_api == "tgi":
        return TgiUpstream(connections, model)
    return OpenAIUpstream(connections, model)
