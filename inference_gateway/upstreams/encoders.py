"""What embeds and what reranks: a TEI server, or an engine in this process."""

from functools import partial

from inference_gateway.engines.protocol import Embedder, Reranker
from inference_gateway.engines.reranking.slot import RerankerSlot
from inference_gateway.engines.slot import EmbedderSlot, load_embedder
from inference_gateway.errors import EmbedderFailed, GatewayError, RerankingUnavailable
from inference_gateway.upstreams.address import set_address
from inference_gateway.upstreams.deadlines import Deadlines
from inference_gateway.upstreams.tei import TeiEmbedder, TeiReranker
from inference_gateway.upstreams.tei_server import TeiServer
from inference_gateway.upstreams.transport import Connections
from ops.runtime.settings import Settings, variable_name


def embedder_from(settings: Settings, deadlines: Deadlines | None = None) -> Embedder:
    """Return the server behind `EMBEDDING_URL`, else the engine with `LYCEUM_EMBEDDER`; raises `SettingsError`."""
    if settings.embedding_url:
        return TeiEmbedder(_server(settings, "embedding", EmbedderFailed, deadlines))
    return EmbedderSlot(settings.embedder, partial(load_embedder, sha256=settings.embedder_sha256))


def reranker_from(settings: Settings, deadlines: Deadlines | None = None) -> Reranker | None:
    """Return the server behind `RERANKING_URL`, else the engine with `LYCEUM_RERANKER`, else None; raises `SettingsError`."""
    if settings.reranking_url:
        return TeiReranker(_server(settings, "reranking", RerankingUnavailable, deadlines))
    return RerankerSlot(settings.reranker, settings.reranker_sha256) if settings.reranker else None


def _server(settings: Settings, kind: str, unavailable: type[GatewayError], deadlines: Deadlines | None) -> TeiServer:
    deadlines = deadlines or Deadlines()
    field = f"{kind}_url"
    address = set_address(getattr(settings, field), variable_name(field))
    connections = Connections(address, getattr(settings, f"{kind}_api_key"), deadlines.connect_seconds)
    return TeiServer(kind, connections, deadlines.first_seconds, unavailable)
