"""A conversation as the tokens that a model continues."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from jinja2 import TemplateError

from inference_gateway.contract import ChatMessage, ChatRequest, Tool, ToolCall
from inference_gateway.errors import RequestRefused
from inference_gateway.toolcalls import may_call
from inference_gateway.transcript import transcript
from inference_gateway.upstreams.protocol import TextToken, Tokenized

_TOOLS = re.compile(r"\btools\b")


class Prompter:
    """Lays conversations out with the tokenizer's own chat template, or as a plain transcript where it has none."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.knows_tools = _knows_tools(getattr(tokenizer, "chat_template", None))

    def tokens(self, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> list[int]:
        """Return the prompt's tokens.

        Raises:
            RequestRefused: the model's template does not take these roles in this order.
        """
        text, special = self._laid_out(messages, tools)
        return self._encode(text, special=special)

    def raw_tokens(self, text: str) -> list[int]:
        """Return the tokens of a text that is to be continued as it is."""
        return self._encode(text, special=True)

    def tokenized(self, request: ChatRequest) -> Tokenized:
        """Return the request's tokens with their places; raises `RequestRefused` as `tokens`."""
        if request.prompt is not None:
            text, special = request.prompt, True
        else:
            text, special = self._laid_out(request.messages, request.tools if may_call(request) else ())
        if not self._tokenizer.is_fast:
            raise RequestRefused("The tokenizer of this model does not tell the places of its tokens.")
        encoded = self._tokenizer(text, add_special_tokens=special, verbose=False, return_offsets_mapping=True)
        tokens = [
            TextToken(id=token, text=text[start:stop] or self._tokenizer.decode([token]), start=start, stop=stop)
            for token, (start, stop) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
        ]
        return Tokenized(tokens=tuple(tokens), templated_text=text if request.prompt is None else None)

    def _laid_out(self, messages: Sequence[ChatMessage], tools: Sequence[Tool]) -> tuple[str, bool]:
        """Return the text, and whether the tokenizer is to add its special tokens to it."""
        if not getattr(self._tokenizer, "chat_template", None):
            return transcript(messages), True
        turns = [self._turn(message) for message in messages]
        try:
            return self._render(turns, tools), False
        except TemplateError:
            return self._render_without_system(turns, tools), False

    def _render_without_system(self, turns: Sequence[dict[str, Any]], tools: Sequence[Tool]) -> str:
        """Some templates know no system message: put it before the first of the user."""
        system = [turn["content"] for turn in turns if turn["role"] == "system"]
        others = [turn for turn in turns if turn["role"] != "system"]
        if system and others and others[0]["role"] == "user":
            others[0] = {"role": "user", "content": "\n\n".join([*system, others[0]["content"]])}
        try:
            return self._render(others, tools)
        except TemplateError:
            raise RequestRefused("The model's chat template refuses these messages.", pointer="/messages") from None

    def _render(self, turns: Sequence[dict[str, Any]], tools: Sequence[Tool]) -> str:
        given = [msgspec.to_builtins(tool) for tool in tools] or None
        text: str = self._tokenizer.apply_chat_template(
            list(turns), tools=given, add_generation_prompt=True, tokenize=False
        )
        return text

    def _turn(self, message: ChatMessage) -> dict[str, Any]:
        turn: dict[str, Any] = {"role": message.role, "content": message.content}
        if self.knows_tools and message.tool_calls:
            turn["tool_calls"] = [_call(call) for call in message.tool_calls]
        if self.knows_tools and message.tool_call_id is not None:
            turn["tool_call_id"] = message.tool_call_id
        return turn

    def _encode(self, text: str, *, special: bool) -> list[int]:
        # `verbose` would warn that the text is longer than the model's context, which is judged elsewhere.
        ids: list[int] = self._tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        return ids


def _knows_tools(template: object) -> bool:
    """Tell whether a template, or one of several by their names, has a place for tools."""
    texts = list(template.values()) if isinstance(template, dict) else [template]
    return any(isinstance(text, str) and _TOOLS.search(text) is not None for text in texts)


def _call(call: ToolCall) -> dict[str, Any]:
    """Return a call as templates want it: its arguments as an object."""
    try:
        arguments = msgspec.json.decode(call.function.arguments)
    except msgspec.DecodeError:
        arguments = call.function.arguments
    return {"id": call.id, "type": call.type, "function": {"name": call.function.name, "arguments": arguments}}
