"""Fields that several dialects share, and what their values mean."""

from typing import Annotated, Any, Literal

import msgspec

from inference_gateway.contract import (
    MAX_COMPLETION_TOKENS,
    MAX_PROMPT_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    MAX_TEXTS_PER_REQUEST,
    ChatRequest,
)

MAX_STOPS = 4

NAMES_OF_THE_DEFAULT = frozenset({"", "tgi", "dummy"})
"""What `huggingface_hub` and TGI's own examples send where no model was chosen."""

StopText = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Stops = Annotated[tuple[StopText, ...], msgspec.Meta(max_length=MAX_STOPS)]
TokenCount = Annotated[int, msgspec.Meta(ge=1, le=MAX_COMPLETION_TOKENS)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
TopP = Annotated[float, msgspec.Meta(gt=0, le=1)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
AdapterId = Annotated[str, msgspec.Meta(max_length=256)]
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARACTERS)]
Prompt = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_PROMPT_CHARACTERS)]
Texts = Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=MAX_TEXTS_PER_REQUEST)]


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's options of a stream."""

    include_usage: bool = False


class OpenAIInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What OpenAI's two completions have in common. `adapter` is an addition: see `ChatRequest`."""

    model: str = ""
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: TokenCount | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    stop: StopText | Stops | None = None
    seed: Seed | None = None
    adapter: AdapterId = ""
    n: Literal[1] = 1
    user: str | None = None

    @property
    def wants_usage(self) -> bool:
        """Tell whether the stream is to end with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    def request(self, **own: Any) -> ChatRequest:
        """Return what the pipe takes, with the fields that the body has of its `own`."""
        return ChatRequest(
            whole=not self.stream,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=self.top_p,
            stop=stops_of(self.stop),
            seed=self.seed,
            model=model_of(self.model),
            adapter=self.adapter,
            **own,
        )


def model_of(name: str) -> str:
    """Return the model's name, or '' for the one the gateway is set up with."""
    return "" if name in NAMES_OF_THE_DEFAULT else name


def stops_of(stop: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the stop sequences as a tuple."""
    return (stop,) if isinstance(stop, str) else stop or ()
