"""What the gateway takes and gives, for the processes that talk to it. Imports neither torch nor a web framework."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from inference_gateway.errors import (
    GatewayError,
    GatewayOverloaded,
    GatewayUnavailable,
    GenerationUnavailable,
    ModelLoading,
    RequestRefused,
    UpstreamBroken,
    UpstreamTimeout,
)

Lane = Literal["query", "passage"]
Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "content_filter"]
ANY_LANGUAGE = "*"

EMBED_PURPOSE = "embed"
GENERATE_PURPOSE = "generate"
METRICS_PURPOSE = "metrics"

MAX_TEXTS_PER_REQUEST = 2048
MAX_TEXT_CHARACTERS = 65_536
MAX_MESSAGES = 256
MAX_PROMPT_CHARACTERS = 524_288
MAX_COMPLETION_TOKENS = 32_768

__all__ = [
    "ANY_LANGUAGE",
    "EMBED_PURPOSE",
    "GENERATE_PURPOSE",
    "METRICS_PURPOSE",
    "ChatDelta",
    "ChatMessage",
    "ChatRequest",
    "EmbeddingBatch",
    "FinishReason",
    "GatewayError",
    "GatewayOverloaded",
    "GatewayUnavailable",
    "GenerationUnavailable",
    "Lane",
    "ModelInfo",
    "ModelLoading",
    "RequestRefused",
    "Role",
    "UpstreamBroken",
    "UpstreamTimeout",
    "Usage",
]


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One turn of the conversation that a model continues."""

    role: Role
    content: Annotated[str, msgspec.Meta(max_length=MAX_PROMPT_CHARACTERS)]


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text to generate. `tenant_id` and `user_id` travel in the signed token, not in the body.

    An empty `model` means the one the gateway is set up with; `temperature` 0 with a `seed` is as repeatable as the
    server behind allows. With a `json_schema` the answer is JSON that fits it, unless it ends for its length.
    """

    messages: tuple[ChatMessage, ...]
    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    model: str = ""
    json_schema: dict[str, Any] | None = None
    tenant_id: UUID | None = None
    user_id: UUID | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens as the model counts them."""

    prompt_tokens: int
    completion_tokens: int


class ChatDelta(msgspec.Struct, frozen=True, kw_only=True):
    """The next piece of an answer. The last ones carry `finish_reason` and, where the server tells it, `usage`."""

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    model: str = ""


class EmbeddingBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors in the order of the texts; each has `dimensions` float32 values. `revision` is the sha256 of the weights."""

    model: str
    revision: str
    dimensions: int
    vectors: list[list[float]]
    prompt_tokens: int


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The models behind the gateway. `languages` are ISO 639-1 codes, or `*`; `max_tokens`: where a text is cut, 0 for never."""

    embedder: str
    revision: str
    dimensions: int
    languages: tuple[str, ...]
    max_tokens: int
    generator: str | None = None

    def knows(self, language: str) -> bool:
        """Tell whether the embedder was made for `language`, an ISO 639-1 code."""
        return ANY_LANGUAGE in self.languages or language in self.languages
