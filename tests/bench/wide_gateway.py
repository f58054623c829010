"""`python -m tests.bench.wide_gateway`: the gateway from its environment, with room for 500 generations at a time.

A real gateway takes 64, because that is what one generation server has use for; a fleet of them would feed as many sockets.
"""

import uvicorn

from inference_gateway import app
from inference_gateway.engines.slot import EmbedderSlot
from inference_gateway.generation import Generation
from inference_gateway.routing.build import router_from
from inference_gateway.unset import unset_ports
from inference_gateway.upstreams import transport
from ops.runtime.crypto import decode_key
from ops.runtime.logging import configure_logging
from ops.runtime.settings import load_settings
from ops.runtime.tokens import ServiceTokens

GENERATIONS = 1000


def main() -> None:
    """Serve until SIGTERM."""
    settings = load_settings()
    configure_logging("gateway", "warning")
    transport.MAX_CONNECTIONS = GENERATIONS
    wide = app.create_app(
        ServiceTokens(decode_key(settings.service_key)),
        EmbedderSlot(settings.embedder),
        Generation(router_from(settings), unset_ports(GENERATIONS)),
    )
    port = int(settings.gateway_url.rpartition(":")[2])
    uvicorn.run(wide, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="on")


if __name__ == "__main__":
    main()
