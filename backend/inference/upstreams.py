"""The gateway's upstreams: how they are, and taking one out of use for a while."""

from typing import Final

from backend.inference.errors import UpstreamNotFound
from backend.kit.subject import Subject
from db.unit_of_work import unit_of_work
from inference_gateway.client import GatewayClient
from inference_gateway.contract import Overview, UpstreamView
from inference_gateway.errors import UpstreamUnknown

READ: Final = "inference.read"
DRAIN: Final = "ops.write"


async def list_upstreams(subject: Subject, gateway: GatewayClient) -> Overview:
    """Return the upstreams of the gateway and the names that lead to them.

    Raises:
        PermissionMissing. GatewayUnavailable
    """
    subject.require(READ)
    return await gateway.upstreams()


async def drain(subject: Subject, gateway: GatewayClient, name: str) -> UpstreamView:
    """Give an upstream nothing new, for every tenant; what it does it finishes. Kept until the gateway starts anew.

    Raises:
        PermissionMissing, UpstreamNotFound. GatewayUnavailable
    """
    return await _set(subject, gateway, name, draining=True)


async def resume(subject: Subject, gateway: GatewayClient, name: str) -> UpstreamView:
    """Give an upstream work again.

    Raises:
        PermissionMissing, UpstreamNotFound. GatewayUnavailable
    """
    return await _set(subject, gateway, name, draining=False)


async def _set(subject: Subject, gateway: GatewayClient, name: str, *, draining: bool) -> UpstreamView:
    """The audit row is written first: without it there is no act, and setting what is set already changes nothing."""
    subject.require(DRAIN)
    known = {upstream.name for upstream in (await gateway.upstreams()).upstreams}
    if name not in known:
        raise UpstreamNotFound
    async with unit_of_work() as uow:
        await uow.audit(subject, "upstream.drained" if draining else "upstream.resumed", {"upstream": name})
    try:
        return await gateway.set_draining(name, draining=draining)
    except UpstreamUnknown as error:
        raise UpstreamNotFound from error
