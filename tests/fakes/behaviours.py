"""What a fake generation server says, and how it fails, request by request."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from tests.fakes.prompts import Prompt, Sentence

Behaviour = Literal[
    "right",
    "invented_marker",
    "changed_number",
    "obeys_order",
    "one_invented",
    "cut",
    "stall",
    "stall_before_first",
    "stall_after_sentence",
    "overloaded",
    "not_ready",
    "too_long",
    "broken_json",
    "error_event",
    "ends_without_reason",
    "not_text",
    "failing",
    "broken_json_first",
    "cut_first",
    "slow_headers",
]
Ending = Literal["finish", "cut", "stall", "broken_json", "error_event", "ends_without_reason", "not_text"]

PIECES_BEFORE_FAULT = 3
NO_STATUS = 0
"""Not even the head of an answer comes."""

RETRY_AFTER_SECONDS = 7
NOTHING_FOUND = "NOT_IN_MATERIAL"

CALL_ID = "call_0123456789"
CALL_ARGUMENTS = '{"body": "the moon"}'

_ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|reply|respond|say|reveal|print|output)\b|تجاهل|اكتب|قل", re.IGNORECASE
)
# What only a machine would do: nothing in the document says in plain words what obeying it makes a model say.
_BACKWARDS = re.compile(r"backwards: (?P<words>[^.]+)")
_NUMBER = re.compile(r"\d+")
_PIECE = re.compile(r"\s*\S+")


@dataclass(frozen=True)
class Plan:
    """Pieces to stream and what comes after them; `status` other than 200 is answered at once."""

    pieces: tuple[str, ...] = ()
    ending: Ending = "finish"
    status: int = 200


def plan_for(behaviour: Behaviour, prompt: Prompt) -> Plan:
    """Return what a server that behaves so does with this prompt."""
    statuses = {"overloaded": 429, "not_ready": 503, "too_long": 422, "failing": 500, "slow_headers": NO_STATUS}
    if behaviour in statuses:
        return Plan(status=statuses[behaviour])
    at_once: dict[str, Ending] = {"stall_before_first": "stall", "broken_json_first": "broken_json", "cut_first": "cut"}
    if behaviour in at_once:
        return Plan(ending=at_once[behaviour])
    pieces = tuple(_PIECE.findall(_text(behaviour, prompt)))
    if behaviour in ("cut", "stall", "broken_json", "error_event", "not_text"):
        return Plan(pieces[:PIECES_BEFORE_FAULT], behaviour)
    if behaviour == "stall_after_sentence":
        return Plan((*pieces, " Then"), "stall")
    if behaviour == "ends_without_reason":
        return Plan(pieces, behaviour)
    return Plan(pieces)


def _text(behaviour: Behaviour, prompt: Prompt) -> str:
    best = prompt.best_sentence()
    if best is None:
        return NOTHING_FOUND
    if behaviour == "invented_marker":
        return f"{best.text} [{max(prompt.passages) + 7}]."
    if behaviour == "changed_number":
        return _cited(_with_other_number(prompt, best))
    if behaviour == "obeys_order":
        if (hidden := _hidden(prompt)) is not None:
            return _cited(hidden)
        order = next((sentence for sentence in prompt.sentences() if _ORDER.search(sentence.text)), best)
        return _cited(order)
    if behaviour == "one_invented":
        return f"{_cited(best)} Whoever forgets this fails the course [{best.number}]."
    return _cited(best)


def _hidden(prompt: Prompt) -> Sentence | None:
    """What a model says that obeys an order to write some words backwards; None when the prompt has no such order."""
    for sentence in prompt.sentences():
        if (order := _BACKWARDS.search(sentence.text)) is not None:
            return Sentence(sentence.number, order["words"].strip()[::-1])
    return None


def _cited(sentence: Sentence) -> str:
    return f"{sentence.text} [{sentence.number}]."


def _with_other_number(prompt: Prompt, best: Sentence) -> Sentence:
    numbered = [best, *prompt.sentences()]
    sentence = next((one for one in numbered if _NUMBER.search(one.text)), None)
    if sentence is None:
        return Sentence(best.number, f"{best.text} since 1847")
    return Sentence(sentence.number, _NUMBER.sub(lambda match: str(int(match[0]) + 1), sentence.text, count=1))


def called_tool(body: dict[str, Any]) -> str | None:
    """Return the tool that a model calls which is given tools: the one that it must, else the first; None where it may not."""
    tools, choice = body.get("tools"), body.get("tool_choice")
    if not tools or choice == "none":
        return None
    name: str = choice["function"]["name"] if isinstance(choice, dict) else tools[0]["function"]["name"]
    return name
