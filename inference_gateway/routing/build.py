"""From the settings to a router: the routing file, or the one upstream of `GENERATION_URL` or `LYCEUM_MODEL`."""

import os
from collections.abc import Mapping

import msgspec

from inference_gateway.adapters.supply import AdapterSupply
from inference_gateway.routing.aliases import Alias, Aliases
from inference_gateway.routing.file import VARIABLE, RoutingFile, UpstreamEntry, read_routes, stage_names
from inference_gateway.routing.member import Member, Traits
from inference_gateway.routing.router import ExternalPolicy, Router, single
from inference_gateway.upstreams.address import set_address
from inference_gateway.upstreams.choose import Place, embedded, remote, upstream_from
from inference_gateway.upstreams.deadlines import Deadlines
from inference_gateway.upstreams.protocol import Loading, Upstream
from ops.runtime.settings import Settings, absolute_model, read_secret

SINGLE = "generation"
"""The name of an upstream that no routing file names."""


def router_from(
    settings: Settings,
    deadlines: Deadlines | None = None,
    environ: Mapping[str, str] = os.environ,
    supply: AdapterSupply | None = None,
) -> Router:
    """Return the router that the settings ask for; engines of this process get their adapters from `supply`.

    Raises:
        SettingsError: something in them, or in the routing file, cannot be used.
    """
    deadlines = deadlines or Deadlines()
    if settings.routes is not None:
        return _from_file(read_routes(settings.routes), deadlines, environ, supply)
    upstream = upstream_from(settings, deadlines, supply)
    if upstream is None:
        return single(None)
    return single(Member(SINGLE, upstream, _traits(upstream, settings.model_sha256), deadlines))


def _from_file(
    routes: RoutingFile, deadlines: Deadlines, environ: Mapping[str, str], supply: AdapterSupply | None
) -> Router:
    members = {name: _member(name, entry, deadlines, environ, supply) for name, entry in routes.upstreams.items()}
    aliases = [
        Alias(name=name, stages=tuple(tuple(members[one] for one in stage_names(stage)) for stage in chain))
        for name, chain in routes.aliases.items()
    ]
    return Router(members.values(), Aliases(aliases, routes.default), ExternalPolicy(routes.external_tenants))


def _member(
    name: str, entry: UpstreamEntry, deadlines: Deadlines, environ: Mapping[str, str], supply: AdapterSupply | None
) -> Member:
    own = {"first_seconds": entry.first_seconds, "between_seconds": entry.between_seconds}
    patience = msgspec.structs.replace(deadlines, **{key: value for key, value in own.items() if value is not None})
    traits = Traits(
        external=entry.external,
        adapters=None if entry.api == "embedded" else frozenset(entry.adapters),
        context_tokens=entry.context_tokens,
        max_in_flight=entry.max_in_flight,
        weights_sha256=entry.weights_sha256,
    )
    return Member(name, _upstream(name, entry, patience, environ, supply), traits, patience)


def _upstream(
    name: str, entry: UpstreamEntry, deadlines: Deadlines, environ: Mapping[str, str], supply: AdapterSupply | None
) -> Upstream:
    if entry.api == "embedded":
        model = absolute_model(entry.model)
        return embedded(model, entry.weights_sha256, entry.precision, f"{VARIABLE}: {name}", supply)
    address = set_address(entry.address, f"{VARIABLE}: the address of {name}")
    key = read_secret(entry.key, environ) if entry.key is not None else ""
    return remote(Place(api=entry.api, address=address, model=entry.model, key=key), deadlines)


def _traits(upstream: Upstream, sha256: str) -> Traits:
    """An engine in this process takes any adapter; a server of which nothing is said takes none."""
    return Traits(adapters=None if isinstance(upstream, Loading) else frozenset(), weights_sha256=sha256)
