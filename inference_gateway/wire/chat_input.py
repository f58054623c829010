"""The body of a chat completion, and the request it means."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from inference_gateway.contract import (
    MAX_CACHE_DOCUMENTS,
    MAX_CACHE_SCOPE_CHARACTERS,
    MAX_MESSAGES,
    MAX_PROMPT_CHARACTERS,
    MAX_TOOLS,
    ChatMessage,
    ChatRequest,
    NamedTool,
    Role,
    Tool,
    ToolCall,
    ToolChoice,
)
from inference_gateway.errors import RequestRefused
from inference_gateway.wire.fields import OpenAIInput, TokenCount
from inference_gateway.wire.formats import ResponseFormat, schema_of
from inference_gateway.wire.schemas import checked_schema

DEFAULT_COMPLETION_TOKENS = 512

Content = Annotated[str, msgspec.Meta(max_length=MAX_PROMPT_CHARACTERS)]


class TextPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a message; text is the only kind."""

    type: Literal["text"]
    text: Content


class MessageInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message as OpenAI's clients write it."""

    role: Role
    content: Content | Annotated[tuple[TextPart, ...], msgspec.Meta(max_length=MAX_MESSAGES)] | None = None
    tool_calls: Annotated[tuple[ToolCall, ...], msgspec.Meta(max_length=MAX_TOOLS)] | None = None
    tool_call_id: Annotated[str, msgspec.Meta(max_length=256)] | None = None


class ChatInput(OpenAIInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's request, as far as it is served; any other field is refused rather than ignored.

    `cache_scope` and `cache_documents` are additions: see `ChatRequest`.
    """

    messages: Annotated[tuple[MessageInput, ...], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: TokenCount | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[tuple[Tool, ...], msgspec.Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    cache_scope: Annotated[str, msgspec.Meta(max_length=MAX_CACHE_SCOPE_CHARACTERS)] = ""
    cache_documents: Annotated[tuple[UUID, ...], msgspec.Meta(max_length=MAX_CACHE_DOCUMENTS)] = ()


def chat_request(wanted: ChatInput) -> ChatRequest:
    """Return what the pipe takes; raises `RequestRefused` for what only a second look shows."""
    return wanted.request(
        messages=tuple(_message(message, index) for index, message in enumerate(wanted.messages)),
        max_tokens=wanted.max_completion_tokens or wanted.max_tokens or DEFAULT_COMPLETION_TOKENS,
        json_schema=schema_of(wanted.response_format),
        tools=_tools(wanted.tools or ()),
        tool_choice=_choice(wanted),
        cache_scope=wanted.cache_scope,
        cache_documents=wanted.cache_documents,
    )


def _message(message: MessageInput, index: int) -> ChatMessage:
    content = message.content
    if content is None:
        if not message.tool_calls:
            raise RequestRefused("A message without calls needs content.", pointer=f"/messages/{index}/content")
        content = ""
    elif not isinstance(content, str):
        content = "".join([part.text for part in content])
    if message.tool_calls and message.role != "assistant":
        raise RequestRefused("Only an assistant calls tools.", pointer=f"/messages/{index}/tool_calls")
    if (message.role == "tool") != (message.tool_call_id is not None):
        raise RequestRefused(
            "A message of role `tool`, and no other, names its call.", pointer=f"/messages/{index}/tool_call_id"
        )
    return ChatMessage(
        role=message.role, content=content, tool_calls=message.tool_calls or (), tool_call_id=message.tool_call_id
    )


def _tools(tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    names: set[str] = set()
    for index, tool in enumerate(tools):
        pointer = f"/tools/{index}/function"
        if tool.function.name in names:
            raise RequestRefused("Two tools have this name.", pointer=f"{pointer}/name")
        names.add(tool.function.name)
        parameters: dict[str, Any] | None = tool.function.parameters
        if parameters is not None:
            checked_schema(parameters, f"{pointer}/parameters")
            if parameters.get("type", "object") != "object":
                raise RequestRefused("A function's arguments are an object.", pointer=f"{pointer}/parameters/type")
    return tools


def _choice(wanted: ChatInput) -> ToolChoice:
    choice: ToolChoice = wanted.tool_choice or "auto"
    names = {tool.function.name for tool in wanted.tools or ()}
    if isinstance(choice, NamedTool) and choice.function.name not in names:
        raise RequestRefused("No tool of this name is given.", pointer="/tool_choice/function/name")
    if choice == "required" and not names:
        raise RequestRefused("No tool is given that could be called.", pointer="/tool_choice")
    return choice
