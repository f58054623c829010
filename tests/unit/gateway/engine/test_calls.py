"""Tools of the embedded engine: through the template into the prompt, and out of the text as calls."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from inference_gateway.contract import (
    ChatDelta,
    ChatMessage,
    ChatRequest,
    Function,
    FunctionCall,
    FunctionName,
    NamedTool,
    Tool,
    ToolCall,
    Usage,
)
from inference_gateway.engines.generation.calls import CallReader, call_schema
from inference_gateway.engines.generation.engine import GenerationEngine
from inference_gateway.engines.generation.files import locate_generator
from inference_gateway.engines.generation.grammar import Grammars
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.prompts import Prompter
from inference_gateway.errors import RequestRefused
from inference_gateway.toolcalls import joined
from tests.models import TOOLS_TEMPLATE
from tests.unit.gateway.engine.asking import ask
from tests.unit.gateway.engine.conftest import MakeEngine

DISTANCE = Tool(
    function=Function(
        name="distance",
        parameters={
            "type": "object",
            "properties": {"body": {"$ref": "#/$defs/body"}, "unit": {"enum": ["km", "m"]}},
            "required": ["body", "unit"],
            "additionalProperties": False,
            "$defs": {"body": {"enum": ["moon", "sun"]}},
        },
    )
)
MASS = Tool(
    function=Function(
        name="mass",
        parameters={
            "type": "object",
            "properties": {"deep": {"type": "object", "properties": {}, "additionalProperties": False}},
            "required": ["deep"],
            "additionalProperties": False,
        },
    )
)
REQUEST = ChatRequest(
    messages=(ChatMessage(role="user", content="How far is the moon?"),),
    tools=(DISTANCE, MASS),
    tool_choice="required",
    max_tokens=200,
)


@pytest.fixture(scope="module")
def calling_model(small_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models") / "calling-llama"
    shutil.copytree(small_llama, folder)
    (folder / "chat_template.jinja").write_text(TOOLS_TEMPLATE)
    return LanguageModel(locate_generator(str(folder)))


@pytest.fixture
def calling(make_engine: MakeEngine, calling_model: LanguageModel) -> GenerationEngine:
    return make_engine(calling_model)


def named(name: str) -> NamedTool:
    return NamedTool(function=FunctionName(name=name))


def pieces(text: str, size: int, reason: Any = "stop") -> list[ChatDelta]:
    deltas = [ChatDelta(text=text[at : at + size]) for at in range(0, len(text), size)]
    usage = Usage(prompt_tokens=1, completion_tokens=len(deltas))
    return [*deltas, ChatDelta(finish_reason=reason, usage=usage)]


def read(deltas: list[ChatDelta], *, must: bool = False) -> list[ChatDelta]:
    reader = CallReader(must=must)
    return [told for delta in deltas if (told := reader.read(delta)) is not None]


async def test_a_call_that_must_be_made_fits_its_schema(calling: GenerationEngine) -> None:
    deltas = await ask(calling, REQUEST)

    (call,) = joined(piece for delta in deltas for piece in delta.tool_calls)
    arguments = json.loads(call.function.arguments)
    assert "".join(delta.text for delta in deltas) == ""
    assert deltas[-1].finish_reason == "tool_calls"
    assert deltas[-1].usage is not None
    assert sum(delta.pieces for delta in deltas) >= deltas[-1].usage.completion_tokens - 2
    if call.function.name == "distance":
        assert arguments["body"] in ("moon", "sun")
        assert arguments["unit"] in ("km", "m")
    else:
        assert arguments == {"deep": {}}


@pytest.mark.parametrize("tool", [DISTANCE, MASS])
async def test_the_named_tool_is_called(calling: GenerationEngine, tool: Tool) -> None:
    deltas = await ask(calling, msgspec.structs.replace(REQUEST, tool_choice=named(tool.function.name)))

    (call,) = joined(piece for delta in deltas for piece in delta.tool_calls)
    assert call.function.name == tool.function.name
    assert call.id.startswith("call_")
    assert set(json.loads(call.function.arguments)) == set((tool.function.parameters or {})["required"])


async def test_without_need_the_model_says_what_it_says(calling: GenerationEngine) -> None:
    free = await ask(calling, msgspec.structs.replace(REQUEST, tool_choice="none", max_tokens=20))
    auto = await ask(calling, msgspec.structs.replace(REQUEST, tool_choice="auto", max_tokens=20))

    assert "".join(delta.text for delta in free)
    assert not any(delta.tool_calls for delta in free)
    called = bool(joined(piece for delta in auto for piece in delta.tool_calls))
    assert called != bool("".join(delta.text for delta in auto))


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("The moon {is} far.", True),
        ('{"name":"mass","arguments":{"deep":{}}}', True),
        ('{"name":"mass","arguments":{"deep":1}}', False),
        ('{"name":"weight","arguments":{}}', False),
        ("", True),
    ],
)
def test_the_grammar_of_calls_takes_a_good_call_or_text(
    calling_model: LanguageModel, text: str, accepted: bool
) -> None:
    tokenizer = calling_model.tokenizer
    grammar = Grammars(tokenizer, calling_model.vocabulary).of_calls(call_schema([DISTANCE, MASS]), must=False)

    tokens = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    taken = 0
    for token in tokens:
        if not grammar.allowed()[token]:
            break
        grammar.accept(token)
        taken += 1

    assert (taken == len(tokens)) == accepted


async def test_a_model_whose_template_knows_no_tools_refuses_them(engine: GenerationEngine) -> None:
    with pytest.raises(RequestRefused, match="knows no tools") as refused:
        await ask(engine, REQUEST)
    assert refused.value.pointer == "/tools"
    assert await ask(engine, msgspec.structs.replace(REQUEST, tool_choice="none", max_tokens=2))


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"json_schema": {"type": "object"}}, "/response_format"),
        ({"tools": (Tool(function=Function(name="a", parameters={"$ref": "#/$defs/none"})),)}, "/tools"),
    ],
)
async def test_what_cannot_be_held_to_is_refused(
    calling: GenerationEngine, changes: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        await ask(calling, msgspec.structs.replace(REQUEST, **changes))

    assert refused.value.pointer == pointer


def test_tools_calls_and_their_answers_are_in_the_prompt(calling_model: LanguageModel) -> None:
    call = ToolCall(id="call_1", function=FunctionCall(name="distance", arguments='{"body": "moon"}'))
    messages = (
        *REQUEST.messages,
        ChatMessage(role="assistant", content="", tool_calls=(call,)),
        ChatMessage(role="tool", content="384400", tool_call_id="call_1"),
    )
    told = Prompter(calling_model.tokenizer).tokenized(msgspec.structs.replace(REQUEST, messages=messages))

    text = told.templated_text or ""
    assert '"name": "distance"' in text
    assert "distance(moon)" in text
    assert "<|tool|>384400" in text
    assert "".join(text[token.start : token.stop] for token in told.tokens) == text


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("arguments", ['{"a":{"b":"}"}}', "{}", '{"t":"x } y"}'])
def test_a_call_is_read_from_pieces_of_any_size(size: int, arguments: str) -> None:
    told = read(pieces(f'{{"name":"f","arguments":{arguments}}}', size))

    (call,) = joined(piece for delta in told for piece in delta.tool_calls)
    assert (call.function.name, call.function.arguments) == ("f", arguments)
    assert told[-1].finish_reason == "tool_calls"
    assert sum(delta.pieces for delta in told) == len(pieces(f'{{"name":"f","arguments":{arguments}}}', size))


def test_a_call_that_ends_for_its_length_keeps_its_reason_and_all_it_said() -> None:
    told = read(pieces('{"name":"f","arguments":{"a":{}', 4, reason="length"), must=True)

    (call,) = joined(piece for delta in told for piece in delta.tool_calls)
    assert call.function.arguments == '{"a":{}'
    assert told[-1].finish_reason == "length"


def test_text_stays_text() -> None:
    deltas = pieces('The call is {"name":"f","arguments":{}}', 5)

    assert read(deltas) == deltas
