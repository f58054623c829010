"""Every route of the gateway says who may use it."""

from litestar import Litestar

from inference_gateway.app import create_app
from inference_gateway.engines.slot import EmbedderSlot
from inference_gateway.generation import Generation
from inference_gateway.routing.router import single
from ops.runtime.tokens import ServiceTokens

PUBLIC_PATHS = {"/health", "/health/live", "/health/ready"}


def test_every_route_is_public_or_names_its_purposes() -> None:
    app = create_app(ServiceTokens(b"k" * 32), EmbedderSlot(""), Generation(single(None)))
    litestar = app._app
    assert isinstance(litestar, Litestar)

    silent, public = set(), set()
    for route in litestar.routes:
        handlers = route.route_handlers if hasattr(route, "route_handlers") else (route.route_handler,)
        for handler in handlers:
            if handler.opt.get("public"):
                public.add(route.path)
            elif not handler.opt.get("purposes") and "OPTIONS" not in getattr(handler, "http_methods", ()):
                silent.add(route.path)

    assert silent == set()
    assert public == PUBLIC_PATHS
