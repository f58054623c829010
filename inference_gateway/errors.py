"""What can go wrong at the gateway: one class per case, each with the machine name that travels on the wire.

The server raises these, writes `code` into the OpenAI-shaped error, and the client turns the code back into the class.
"""

from typing import ClassVar


class GatewayError(Exception):
    """Base of all; `detail` is a sentence for people and never holds a prompt, a text or a secret."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(self, detail: str = "", *, retry_after_seconds: int | None = None, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.retry_after_seconds = retry_after_seconds
        self.pointer = pointer


class RequestRefused(GatewayError):
    """The request is not one the gateway can take."""

    code = "invalid_request"
    status = 422


class MalformedJson(RequestRefused):
    """The body is not JSON."""

    code = "malformed_json"
    status = 400


class UnsupportedMediaType(RequestRefused):
    """The body must be application/json."""

    code = "unsupported_media_type"
    status = 415


class TokenRefused(RequestRefused):
    """A valid service token for this purpose is missing."""

    code = "invalid_token"
    status = 401


class ModelUnknown(RequestRefused):
    """No model of that name is served here."""

    code = "model_not_found"
    status = 404


class NotOffered(RequestRefused):
    """The server behind this model does not offer that."""

    code = "not_offered"


class UpstreamUnknown(RequestRefused):
    """No upstream of that name is set up."""

    code = "upstream_not_found"
    status = 404


class AdapterUnknown(RequestRefused):
    """No adapter of that name is there for you."""

    code = "adapter_not_found"
    status = 404


class GatewayUnavailable(GatewayError):
    """The gateway cannot be reached or cannot work now."""

    code = "gateway_unavailable"
    status = 503


class ModelLoading(GatewayUnavailable):
    """The model is still loading."""

    code = "model_loading"


class EmbedderFailed(GatewayUnavailable):
    """The embedding model failed."""

    code = "embedder_failed"


class RerankingUnavailable(GatewayUnavailable):
    """No reranking model can be reached; keep the order that search gave."""

    code = "reranking_unavailable"


class GatewayOverloaded(GatewayError):
    """Too much is waiting already."""

    code = "overloaded"
    status = 429


class QuotaExhausted(GatewayOverloaded):
    """The quota of the tenant, the person or the course is used up."""

    code = "quota_exhausted"


class UpstreamOverloaded(GatewayOverloaded):
    """The generation server has too much to do."""

    code = "upstream_overloaded"


class GenerationUnavailable(GatewayError):
    """No generation model can be reached; answer by quoting."""

    code = "generation_unavailable"
    status = 503


class UpstreamBroken(GatewayError):
    """The generation server broke off or sent what cannot be read."""

    code = "upstream_broken"
    status = 502


class UpstreamTimeout(UpstreamBroken):
    """The generation server fell silent."""

    code = "upstream_timeout"
    status = 504


_CLASSES: tuple[type[GatewayError], ...] = (
    GatewayError,
    RequestRefused,
    MalformedJson,
    UnsupportedMediaType,
    TokenRefused,
    ModelUnknown,
    NotOffered,
    UpstreamUnknown,
    AdapterUnknown,
    GatewayUnavailable,
    ModelLoading,
    EmbedderFailed,
    RerankingUnavailable,
    GatewayOverloaded,
    QuotaExhausted,
    UpstreamOverloaded,
    GenerationUnavailable,
    UpstreamBroken,
    UpstreamTimeout,
)
BY_CODE = {kind.code: kind for kind in _CLASSES}


def error_for(code: str, status: int) -> type[GatewayError]:
    """Return the class of a wire `code`; an unknown code is judged by the HTTP status (0 for an event in a stream)."""
    if (known := BY_CODE.get(code)) is not None:
        return known
    if status == GatewayOverloaded.status:
        return GatewayOverloaded
    return RequestRefused if 400 <= status < 500 else GatewayUnavailable
