"""The events of an answer, numbered from 1 without gaps. Every reader gets the same bytes."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from backend.chat.schemas import Answer, CitationView, Stage
from backend.problems import Problem
from ops.runtime.ids import MessageId

EventType = Literal["status", "delta", "citation", "problem", "done"]


class Status(msgspec.Struct, frozen=True, kw_only=True, tag="status"):
    """What the tutor does now."""

    stage: Stage


class Delta(msgspec.Struct, frozen=True, kw_only=True, tag="delta"):
    """More of the answer's text."""

    text: str


class Cited(msgspec.Struct, frozen=True, kw_only=True, tag="citation"):
    """A citation, sent before the text that carries its marker."""

    citation: CitationView


class Trouble(msgspec.Struct, frozen=True, kw_only=True, tag="problem"):
    """Why the answer ends here or lacks something."""

    problem: Problem


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The end: the whole answer."""

    answer: Answer


Event = Status | Delta | Cited | Trouble | Done


class Frame(msgspec.Struct, frozen=True):
    """An event with its number, encoded as readers get it: `{"seq":n,"type":…}`."""

    seq: int
    type: EventType
    data: bytes

    @property
    def is_last(self) -> bool:
        """Whether nothing comes after it."""
        return self.type == "done"

    def event(self) -> Event:
        """Decode the event."""
        event: Event = msgspec.json.decode(self.data, type=Event)
        return event

    def as_sse(self) -> bytes:
        """Return the event for a `text/event-stream` (HTML Living Standard, server-sent events)."""
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self.seq, self.type.encode(), self.data)

    def for_socket(self, message_id: MessageId) -> str:
        """Return the event for a WebSocket, which carries the events of several answers."""
        return f'{{"message_id":"{message_id}",{self.data[1:].decode()}'


def encode(seq: int, event: Event) -> Frame:
    """Give the event its number."""
    kind: EventType = event.__struct_config__.tag  # type: ignore[assignment]  # the tags above
    return Frame(seq, kind, b'{"seq":%d,%s' % (seq, msgspec.json.encode(event)[1:]))


def encode_all(events: Sequence[Event]) -> list[Frame]:
    """Number events from 1."""
    return [encode(seq, event) for seq, event in enumerate(events, start=1)]
