"""Conversations for models that have no chat template."""

from collections.abc import Sequence

from inference_gateway.contract import ChatMessage

_SPEAKERS = {"system": "", "user": "User: ", "assistant": "Assistant: ", "tool": "Tool: "}


def transcript(messages: Sequence[ChatMessage]) -> str:
    """Lay a conversation out as plain text that a model without a chat template continues."""
    turns = [f"{_SPEAKERS[message.role]}{message.content}" for message in messages]
    return "\n\n".join([*turns, "Assistant:"])
