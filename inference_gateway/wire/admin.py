"""`/admin`: the upstreams for operators. Only with a service token made for it, which no person's session ever gets."""

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from inference_gateway.contract import ADMIN_PURPOSE
from inference_gateway.generation import Generation
from inference_gateway.routing.overview import overview, set_draining
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.documents import document
from ops.runtime.logging import get_logger

log = get_logger(__name__)


@get("/admin/upstreams", opt=purposes(ADMIN_PURPOSE))
async def list_upstreams(generation: NamedDependency[Generation]) -> Response[bytes]:
    """List upstreams with their models, breakers and answers under way, and the names that lead to them."""
    return document(overview(generation.router))


@post("/admin/upstreams/{name:str}/drain", status_code=200, opt=purposes(ADMIN_PURPOSE))
async def drain_upstream(name: FromPath[str], generation: NamedDependency[Generation]) -> Response[bytes]:
    """Give an upstream nothing new; what it does it finishes."""
    return _set(generation, name, draining=True)


@post("/admin/upstreams/{name:str}/resume", status_code=200, opt=purposes(ADMIN_PURPOSE))
async def resume_upstream(name: FromPath[str], generation: NamedDependency[Generation]) -> Response[bytes]:
    """Give an upstream work again."""
    return _set(generation, name, draining=False)


def _set(generation: Generation, name: str, *, draining: bool) -> Response[bytes]:
    state = set_draining(generation.router, name, draining=draining)
    log.warning("upstream_drained" if draining else "upstream_resumed", upstream=name)
    return document(state)
