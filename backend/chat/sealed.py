"""What of a conversation is stored sealed with the person's key, and how."""

from collections.abc import Sequence

import msgspec

from ops.runtime.crypto import seal, unseal
from ops.runtime.ids import ChatSessionId, MessageId

TITLE_CHARACTERS = 80


class StoredPart(msgspec.Struct, frozen=True, array_like=True):
    """A finished sentence as it was sent, and the markers it carries."""

    text: str
    markers: tuple[int, ...] = ()


def seal_question(key: bytes, turn_id: MessageId, text: str) -> bytes:
    """Seal a question for its turn's row."""
    return seal(key, text.encode(), b"chat question" + turn_id.bytes)


def unseal_question(key: bytes, turn_id: MessageId, sealed: bytes) -> str:
    """Return the question; raises `SealBroken`."""
    return unseal(key, sealed, b"chat question" + turn_id.bytes).decode()


def seal_answer(key: bytes, turn_id: MessageId, parts: Sequence[StoredPart]) -> bytes:
    """Seal an answer for its turn's row."""
    return seal(key, msgspec.msgpack.encode(parts), b"chat answer" + turn_id.bytes)


def unseal_answer(key: bytes, turn_id: MessageId, sealed: bytes | None) -> list[StoredPart]:
    """Return the answer's parts, none for a turn without an answer; raises `SealBroken`."""
    if sealed is None:
        return []
    return msgspec.msgpack.decode(unseal(key, sealed, b"chat answer" + turn_id.bytes), type=list[StoredPart])


def seal_title(key: bytes, session_id: ChatSessionId, question: str) -> bytes:
    """Seal the title of a conversation: the beginning of its first question."""
    title = " ".join(question.split())
    if len(title) > TITLE_CHARACTERS:
        title = title[:TITLE_CHARACTERS].rsplit(" ", 1)[0] + "…"
    return seal(key, title.encode(), b"chat title" + session_id.bytes)


def unseal_title(key: bytes, session_id: ChatSessionId, sealed: bytes) -> str:
    """Return the title; raises `SealBroken`."""
    return unseal(key, sealed, b"chat title" + session_id.bytes).decode()
