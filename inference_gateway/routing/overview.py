"""What an operator sees of the upstreams. Addresses and keys are not in it."""

from inference_gateway.contract import AliasView, Overview, UpstreamView
from inference_gateway.errors import UpstreamUnknown
from inference_gateway.routing.member import Member
from inference_gateway.routing.router import Router


def overview(router: Router) -> Overview:
    """Return how things stand now."""
    aliases = [router.aliases.find(name) for name in router.aliases.names]
    return Overview(
        upstreams=[view(one) for one in router.members.values()],
        aliases=[
            AliasView(name=one.name, stages=tuple(tuple(member.name for member in stage) for stage in one.stages))
            for one in aliases
        ],
    )


def view(member: Member) -> UpstreamView:
    """Return one upstream as it is now."""
    return UpstreamView(
        name=member.name,
        model=member.upstream.model,
        model_hash=member.model_hash,
        external=member.traits.external,
        breaker=member.breaker.state,
        seconds_until_probe=round(member.breaker.seconds_until_probe, 3),
        openings=member.breaker.openings,
        rests=member.rests,
        in_flight=member.in_flight,
        draining=member.draining,
    )


def set_draining(router: Router, name: str, *, draining: bool) -> UpstreamView:
    """Give an upstream nothing new, or give it work again; raises `UpstreamUnknown`."""
    member = router.members.get(name)
    if member is None:
        raise UpstreamUnknown
    member.draining = draining
    return view(member)
