"""Which upstream the settings ask for."""

from inference_gateway.engines.generation.files import check_setting
from inference_gateway.engines.generation.slot import GeneratorSlot, Wanted
from inference_gateway.engines.model_files import ModelFilesError
from inference_gateway.upstreams.deadlines import Deadlines
from inference_gateway.upstreams.openai import OpenAIUpstream
from inference_gateway.upstreams.protocol import Upstream
from inference_gateway.upstreams.tgi import SERVED_MODEL, TgiUpstream
from inference_gateway.upstreams.transport import Connections
from ops.runtime.settings import Settings, SettingsError, variable_name


def upstream_from(settings: Settings, deadlines: Deadlines | None = None) -> Upstream | None:
    """Return the server behind `GENERATION_URL`, else the embedded engine with `LYCEUM_MODEL`, else None.

    Raises:
        SettingsError: `LYCEUM_MODEL` is neither a model folder nor the id of a hub model.
    """
    if not settings.generation_url:
        return _embedded(settings)
    base_url = settings.generation_url.rstrip("/").removesuffix("/v1")
    connections = Connections(base_url, settings.generation_api_key, (deadlines or Deadlines()).connect_seconds)
    model = settings.generation_model or SERVED_MODEL
    if settings.generation_api == "tgi":
        return TgiUpstream(connections, model)
    return OpenAIUpstream(connections, model)


def _embedded(settings: Settings) -> Upstream | None:
    if not settings.model:
        return None
    try:
        check_setting(settings.model)
    except ModelFilesError as error:
        raise SettingsError(f"{variable_name('model')}: {error}") from error
    return GeneratorSlot(Wanted(model=settings.model, sha256=settings.model_sha256, precision=settings.model_precision))
