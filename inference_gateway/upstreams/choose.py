"""Making upstreams: a server elsewhere, or the engine in this process."""

from typing import Literal

import msgspec

from inference_gateway.adapters.supply import AdapterSupply
from inference_gateway.engines.generation.files import check_setting
from inference_gateway.engines.generation.slot import GeneratorSlot, Wanted
from inference_gateway.engines.model_files import ModelFilesError
from inference_gateway.upstreams.address import set_address
from inference_gateway.upstreams.deadlines import Deadlines
from inference_gateway.upstreams.direct import DirectUpstream
from inference_gateway.upstreams.protocol import Upstream
from inference_gateway.upstreams.tgi import SERVED_MODEL, TgiUpstream
from inference_gateway.upstreams.transport import Connections
from ops.runtime.settings import Settings, SettingsError, variable_name


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is and what it speaks; the address is a checked one."""

    api: Literal["openai", "tgi"]
    address: str
    model: str
    key: str


def upstream_from(
    settings: Settings, deadlines: Deadlines | None = None, supply: AdapterSupply | None = None
) -> Upstream | None:
    """Return the server behind `GENERATION_URL`, else the embedded engine with `LYCEUM_MODEL`, else None.

    Raises:
        SettingsError: `LYCEUM_MODEL` is neither a model folder nor the id of a hub model, or the address may not be used.
    """
    if not settings.generation_url:
        if not settings.model:
            return None
        told_by = variable_name("model")
        return embedded(settings.model, settings.model_sha256, settings.model_precision, told_by, supply)
    address = set_address(settings.generation_url, variable_name("generation_url"))
    place = Place(
        api=settings.generation_api,
        address=address,
        model=settings.generation_model,
        key=settings.generation_api_key,
    )
    return remote(place, deadlines or Deadlines())


def remote(place: Place, deadlines: Deadlines) -> Upstream:
    """Return the upstream at an address."""
    connections = Connections(place.address, place.key, deadlines.connect_seconds)
    model = place.model or SERVED_MODEL
    if place.api == "tgi":
        return TgiUpstream(connections, model)
    return DirectUpstream(connections, model, deadlines.connect_seconds)


def embedded(model: str, sha256: str, precision: str, told_by: str, supply: AdapterSupply | None = None) -> Upstream:
    """Return the engine of this process, not loaded yet; raises `SettingsError` beginning with `told_by`."""
    try:
        check_setting(model)
    except ModelFilesError as error:
        raise SettingsError(f"{told_by}: {error}") from error
    return GeneratorSlot(Wanted(model=model, sha256=sha256, precision=precision, supply=supply))
