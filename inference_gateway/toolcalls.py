"""Calls of tools: put together from pieces for whoever takes them whole."""

from collections.abc import Iterable

from inference_gateway.contract import ChatRequest, FunctionCall, ToolCall, ToolCallDelta


def joined(pieces: Iterable[ToolCallDelta]) -> tuple[ToolCall, ...]:
    """Return the calls in the order of their indexes; the first id and name that a call's pieces bring are its own."""
    by_index: dict[int, list[ToolCallDelta]] = {}
    for piece in pieces:
        by_index.setdefault(piece.index, []).append(piece)
    return tuple(_call(by_index[index]) for index in sorted(by_index))


def may_call(request: ChatRequest) -> bool:
    """Tell whether the answer may call a tool."""
    return bool(request.tools) and request.tool_choice != "none"


def _call(pieces: list[ToolCallDelta]) -> ToolCall:
    name = next((piece.name for piece in pieces if piece.name), "")
    function = FunctionCall(name=name, arguments="".join([piece.arguments for piece in pieces]))
    return ToolCall(id=next((piece.id for piece in pieces if piece.id), ""), function=function)
