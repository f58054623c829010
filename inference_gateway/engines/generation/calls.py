"""Calls of tools in what a model writes: `{"name": …, "arguments": {…}}`, and nothing else, is one."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from inference_gateway.contract import ChatDelta, ChatRequest, NamedTool, Tool, ToolCallDelta
from inference_gateway.errors import RequestRefused
from inference_gateway.toolcalls import may_call
from ops.runtime.ids import new_id

_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*"(?P<name>[A-Za-z0-9_-]+)"\s*,\s*"arguments"\s*:\s*')
_ANY_OBJECT: dict[str, Any] = {"type": "object"}


class Calling(msgspec.Struct, frozen=True):
    """The tools that an answer may call; `must`: it is a call and no text."""

    tools: tuple[Tool, ...]
    must: bool


def calling_of(request: ChatRequest, model: str, *, knows_tools: bool) -> Calling | None:
    """Return what may be called, or None where nothing may.

    Raises:
        RequestRefused: the model's template has no place for tools, or a schema is wanted beside them.
    """
    if not may_call(request):
        return None
    if not knows_tools:
        raise RequestRefused(f"The chat template of {model} knows no tools.", pointer="/tools")
    if request.json_schema is not None:
        raise RequestRefused("An answer is held to a schema or may call tools, not both.", pointer="/response_format")
    choice = request.tool_choice
    if isinstance(choice, NamedTool):
        return Calling(tuple(tool for tool in request.tools if tool.function.name == choice.function.name), must=True)
    return Calling(request.tools, must=choice == "required")


def call_schema(tools: Sequence[Tool]) -> dict[str, Any]:
    """Return the JSON schema of one call of one of the tools."""
    return {"anyOf": [_one(tool, f"#/anyOf/{place}/properties/arguments") for place, tool in enumerate(tools)]}


def _one(tool: Tool, place: str) -> dict[str, Any]:
    arguments = _rebased(tool.function.parameters or _ANY_OBJECT, place)
    return {
        "type": "object",
        "properties": {"name": {"const": tool.function.name}, "arguments": {**_ANY_OBJECT, **arguments}},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _rebased(schema: Any, place: str) -> Any:
    """Let references to the schema's own root lead to where it stands now."""
    if isinstance(schema, list):
        return [_rebased(one, place) for one in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {key: _rebased(value, place) for key, value in schema.items()}
    if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#"):
        moved["$ref"] = place + reference[1:]
    return moved


class CallReader:
    """Turns the pieces of one answer into text, or into one call. What begins with a brace is a call."""

    def __init__(self, *, must: bool) -> None:
        self._calls = must
        self._decided = must
        self._begun = False
        self._held = ""
        self._pieces = 0

    def read(self, delta: ChatDelta) -> ChatDelta | None:
        """Return what a piece tells, or None while that is not clear."""
        if not self._decided and delta.text:
            self._decided, self._calls = True, delta.text.startswith("{")
        if not self._calls:
            return delta
        self._pieces += delta.pieces
        told = self._call_pieces(delta)
        if not told and delta.finish_reason is None:
            return None
        reason = "tool_calls" if self._begun and delta.finish_reason == "stop" else delta.finish_reason
        pieces, self._pieces = self._pieces, 0
        return msgspec.structs.replace(delta, text="", tool_calls=told, finish_reason=reason, pieces=pieces)

    def _call_pieces(self, delta: ChatDelta) -> tuple[ToolCallDelta, ...]:
        self._held += delta.text
        first: tuple[ToolCallDelta, ...] = ()
        if not self._begun:
            head = _HEAD.match(self._held)
            if head is None:
                return ()
            self._begun = True
            self._held = self._held[head.end() :]
            first = (ToolCallDelta(index=0, id=f"call_{new_id().hex}", name=head["name"]),)
        arguments = self._arguments(delta)
        return (*first, ToolCallDelta(index=0, arguments=arguments)) if arguments else first

    def _arguments(self, delta: ChatDelta) -> str:
        """Hold the last brace back, which may be the call's own and not the arguments'."""
        if delta.finish_reason is None:
            end = self._held.rfind("}")
            is_last = end >= 0 and not self._held[end + 1 :].strip()
            certain = self._held[:end] if is_last else self._held
        else:
            certain = self._held.rstrip().removesuffix("}") if delta.finish_reason == "stop" else self._held
        self._held = self._held[len(certain) :]
        return certain
