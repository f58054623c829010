"""Fields that several dialects share, and what their values mean."""

from typing import Annotated

import msgspec

from inference_gateway.contract import MAX_COMPLETION_TOKENS

NAMES_OF_THE_DEFAULT = frozenset({"", "tgi", "dummy"})
"""What `huggingface_hub` and TGI's own examples send where no model was chosen."""

StopText = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Stops = Annotated[tuple[StopText, ...], msgspec.Meta(max_length=4)]
TokenCount = Annotated[int, msgspec.Meta(ge=1, le=MAX_COMPLETION_TOKENS)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
TopP = Annotated[float, msgspec.Meta(gt=0, le=1)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
AdapterId = Annotated[str, msgspec.Meta(max_length=256)]


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's options of a stream."""

    include_usage: bool = False


def model_of(name: str) -> str:
    """Return the model's name, or '' for the one the gateway is set up with."""
    return "" if name in NAMES_OF_THE_DEFAULT else name


def stops_of(stop: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the stop sequences as a tuple."""
    return (stop,) if isinstance(stop, str) else stop or ()
