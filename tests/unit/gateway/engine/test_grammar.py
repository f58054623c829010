"""Answers held to a JSON schema, by a model that would say anything."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec
import pytest

from inference_gateway.engines.generation.engine import GenerationEngine
from inference_gateway.engines.generation.grammar import Grammars
from inference_gateway.errors import RequestRefused
from tests.models import small_tokenizer
from tests.unit.gateway.engine.asking import TEXTS, answer_of, ask, plain_answer, request_of


class Item(msgspec.Struct, forbid_unknown_fields=True):
    """What the schema describes."""

    kind: Literal["single", "multiple", "مقال"]
    points: Annotated[int, msgspec.Meta(ge=1, le=10)]
    options: Annotated[list[Annotated[str, msgspec.Meta(max_length=8)]], msgspec.Meta(min_length=1, max_length=3)]
    right: bool


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["single", "multiple", "مقال"]},
        "points": {"type": "integer", "minimum": 1, "maximum": 10},
        "options": {"type": "array", "items": {"type": "string", "maxLength": 8}, "minItems": 1, "maxItems": 3},
        "right": {"type": "boolean"},
    },
    "required": ["kind", "points", "options", "right"],
    "additionalProperties": False,
}


async def test_every_answer_fits_beside_others_that_are_free(engine: GenerationEngine) -> None:
    held = [
        request_of(text, max_tokens=400, temperature=float(i % 2), seed=i, json_schema=SCHEMA)
        for i, text in enumerate(TEXTS)
    ]

    deltas, free = await asyncio.gather(
        asyncio.gather(*(ask(engine, one) for one in held)), answer_of(engine, request_of(TEXTS[1], max_tokens=40))
    )

    for pieces in deltas:
        msgspec.json.decode("".join(piece.text for piece in pieces), type=Item)
        assert pieces[-1].finish_reason == "stop"
    assert free == plain_answer(engine.model, TEXTS[1], 40)


@pytest.mark.parametrize(
    "schema", [{"type": "nonsense"}, {"type": 5}, {"$ref": "http://example.com/x"}, {"type": "string", "pattern": "("}]
)
async def test_a_schema_that_is_none_is_refused(engine: GenerationEngine, schema: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused) as refused:
        await ask(engine, request_of("x", json_schema=schema))

    assert refused.value.pointer == "/response_format/json_schema/schema"


def test_after_a_token_that_was_not_allowed_none_is() -> None:
    tokenizer = small_tokenizer()
    grammar = Grammars(tokenizer, len(tokenizer)).of(SCHEMA)
    assert grammar.allowed().sum() == 1

    grammar.accept(tokenizer.convert_tokens_to_ids("x"))

    assert not grammar.allowed().any()
