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
Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]
CacheOutcome = Literal["hit", "miss", "bypass"]
BreakerState = Literal["closed", "open", "half_open"]
ANY_LANGUAGE = "*"

EMBED_PURPOSE = "embed"
GENERATE_PURPOSE = "generate"
METRICS_PURPOSE = "metrics"
ADMIN_PURPOSE = "gateway-admin"

PERSONAL_SCOPE = "personal:"

MAX_TEXTS_PER_REQUEST = 2048
MAX_TEXT_CHARACTERS = 65_536
MAX_MESSAGES = 256
MAX_PROMPT_CHARACTERS = 524_288
MAX_COMPLETION_TOKENS = 32_768
MAX_TOOLS = 128
MAX_CACHE_SCOPE_CHARACTERS = 512
MAX_CACHE_DOCUMENTS = 64

__all__ = [
    "ADMIN_PURPOSE",
    "ANY_LANGUAGE",
    "EMBED_PURPOSE",
    "GENERATE_PURPOSE",
    "METRICS_PURPOSE",
    "AliasView",
    "AnswerFacts",
    "BreakerState",
    "CacheOutcome",
    "ChatDelta",
    "ChatMessage",
    "ChatRequest",
    "EmbeddingBatch",
    "FinishReason",
    "Function",
    "FunctionCall",
    "FunctionName",
    "GatewayError",
    "GatewayOverloaded",
    "GatewayUnavailable",
    "GenerationUnavailable",
    "Lane",
    "ModelInfo",
    "ModelLoading",
    "NamedTool",
    "Overview",
    "RequestRefused",
    "Role",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolChoice",
    "UpstreamBroken",
    "UpstreamTimeout",
    "UpstreamView",
    "Usage",
]


class Function(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A function that a model may call; `parameters` is the JSON schema of its arguments."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's tool, of which functions are the only kind."""

    type: Literal["function"] = "function"
    function: Function


class FunctionName(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which function."""

    name: str


class NamedTool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one tool that must be called."""

    type: Literal["function"] = "function"
    function: FunctionName


ToolChoice = Literal["auto", "none", "required"] | NamedTool


class FunctionCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function and its arguments, JSON as the model wrote it."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that a model asked for."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class ToolCallDelta(msgspec.Struct, frozen=True, kw_only=True):
    """The next piece of the call with this `index`; `id` and `name` come with its first piece."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One turn of the conversation that a model continues. A turn of role `tool` answers the call `tool_call_id`."""

    role: Role
    content: Annotated[str, msgspec.Meta(max_length=MAX_PROMPT_CHARACTERS)]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text to generate. `tenant_id`, `user_id` and `course_id` travel in the signed token, not in the body.

    An empty `model` means the one the gateway is set up with; `temperature` 0 with a `seed` is as repeatable as the
    server behind allows. With a `json_schema` the answer is JSON that fits it, unless it ends for its length.
    A `prompt` is raw text to continue, in place of messages: exactly one of the two is given. `adapter` is
    `namespace@sha256`, or empty for the base model.
    `whole`: nobody waits for a part of the answer, so pieces that come together may be put together.
    `cache_scope` names what stands behind the prompt (its version, the scope, the document-set versions); without it no
    answer is kept, and one that begins with `PERSONAL_SCOPE` is for this person alone. `cache_documents` are quoted in the prompt.
    """

    messages: tuple[ChatMessage, ...] = ()
    prompt: str | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    model: str = ""
    json_schema: dict[str, Any] | None = None
    adapter: str = ""
    whole: bool = False
    cache_scope: str = ""
    cache_documents: tuple[UUID, ...] = ()
    tenant_id: UUID | None = None
    user_id: UUID | None = None
    course_id: UUID | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens as the model counts them."""

    prompt_tokens: int
    completion_tokens: int


class AnswerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway tells beside the text: which model really answered, whether it is a lesser one than asked for, whether
    the answer was kept from before, and what is left of the tightest quota (None where there is none).
    """

    model: str = ""
    degraded: bool = False
    cache: CacheOutcome = "bypass"
    adapter: str = ""
    remaining_tokens: int | None = None
    remaining_requests: int | None = None
    reset_seconds: int | None = None


class ChatDelta(msgspec.Struct, frozen=True, kw_only=True):
    """The next piece of an answer. The last ones carry `finish_reason` and, where the server tells it, `usage`.

    `pieces`: how many of the server's own pieces it is made of. `degraded`: a lesser model than the one asked for gives the
    answer, or the base model without the adapter. `facts` come with the first piece that `GatewayClient` gives, and only there.
    """

    text: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    model: str = ""
    pieces: int = 1
    degraded: bool = False
    facts: AnswerFacts | None = None


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


class UpstreamView(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream now. `seconds_until_probe` is 0 unless its breaker is open; `rests`: it asked to be left alone."""

    name: str
    model: str
    model_hash: str
    external: bool
    breaker: BreakerState
    seconds_until_probe: float
    openings: int
    rests: bool
    in_flight: int
    draining: bool


class AliasView(msgspec.Struct, frozen=True, kw_only=True):
    """A name and its stages of equal replicas."""

    name: str
    stages: tuple[tuple[str, ...], ...]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """All upstreams and names of one gateway process."""

    upstreams: list[UpstreamView]
    aliases: list[AliasView]
