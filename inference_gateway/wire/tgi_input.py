"""The body of TGI's `/generate`, and the request it means."""

from typing import Any

import msgspec

from inference_gateway.contract import ChatRequest
from inference_gateway.errors import RequestRefused
from inference_gateway.wire.fields import AdapterId, Prompt, Seed, Stops, Temperature, TokenCount, TopP
from inference_gateway.wire.formats import TgiFormat
from inference_gateway.wire.schemas import checked_schema

DEFAULT_NEW_TOKENS = 100
"""TGI's own default."""


class RegexGrammar(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="regex"
):
    """Text that matches a regular expression, which is not served."""

    value: str


class GenerateParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TGI's parameters. Those of `_NOT_SERVED` may only be given with the value that changes nothing."""

    adapter_id: AdapterId | None = None
    best_of: int | None = None
    decoder_input_details: bool | None = None
    details: bool | None = None
    do_sample: bool | None = None
    frequency_penalty: float | None = None
    grammar: TgiFormat | RegexGrammar | None = None
    max_new_tokens: TokenCount | None = None
    repetition_penalty: float | None = None
    return_full_text: bool | None = None
    seed: Seed | None = None
    stop: Stops | None = None
    temperature: Temperature | None = None
    top_k: int | None = None
    top_n_tokens: int | None = None
    top_p: TopP | None = None
    truncate: int | None = None
    typical_p: float | None = None
    watermark: bool | None = None


_NOT_SERVED: dict[str, tuple[object, ...]] = {
    "best_of": (1,),
    "decoder_input_details": (False,),
    "frequency_penalty": (0.0,),
    "repetition_penalty": (1.0,),
    "top_k": (),
    "top_n_tokens": (0,),
    "truncate": (),
    "typical_p": (1.0,),
    "watermark": (False,),
}


class GenerateInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TGI's request. `stream` counts on `/` alone, where it chooses between the two others."""

    inputs: Prompt
    parameters: GenerateParameters = GenerateParameters()
    stream: bool = False

    @property
    def with_details(self) -> bool:
        """Tell whether the answer is to say why it ended and how long it is."""
        return self.parameters.details is True

    @property
    def opening_text(self) -> str:
        """Text that the whole answer begins with: the prompt, when it is wanted back."""
        return self.inputs if self.parameters.return_full_text else ""


def generate_request(wanted: GenerateInput, *, whole: bool) -> ChatRequest:
    """Return what the pipe takes: TGI is greedy unless sampling is asked for, directly or by a parameter of it.

    Raises:
        RequestRefused: a parameter that is not served, by its name, or a malformed schema.
    """
    parameters = wanted.parameters
    for name, neutral in _NOT_SERVED.items():
        value = getattr(parameters, name)
        if value is not None and value not in neutral:
            raise RequestRefused(f"`{name}` is not served here.", pointer=f"/parameters/{name}")
    samples = bool(parameters.do_sample) or parameters.top_p is not None
    return ChatRequest(
        whole=whole,
        prompt=wanted.inputs,
        max_tokens=parameters.max_new_tokens or DEFAULT_NEW_TOKENS,
        temperature=float(samples) if parameters.temperature is None else parameters.temperature,
        top_p=parameters.top_p,
        stop=parameters.stop or (),
        seed=parameters.seed,
        json_schema=_schema(parameters.grammar),
        adapter=parameters.adapter_id or "",
    )


def _schema(grammar: TgiFormat | RegexGrammar | None) -> dict[str, Any] | None:
    if isinstance(grammar, RegexGrammar):
        raise RequestRefused(
            "A grammar of type `regex` is not served here; `json` is.", pointer="/parameters/grammar/type"
        )
    return None if grammar is None else checked_schema(grammar.value, "/parameters/grammar/value")
