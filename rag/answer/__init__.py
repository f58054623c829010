"""Answers: quoted from the passages, or generated and checked against them sentence by sentence."""

from rag.answer.contract import (
    MAX_QUOTE_SENTENCES,
    MAX_SENTENCES,
    MAX_WORDS,
    Citation,
    Outcome,
    Part,
    Verdict,
)
from rag.answer.follow_up import searched_text
from rag.answer.generated import ChatStream, Generator, Question, answer
from rag.answer.notices import Notice, notice
from rag.answer.prompt import PROMPT_VERSION
from rag.answer.quoting import Quoted, quote

__all__ = [
    "MAX_QUOTE_SENTENCES",
    "MAX_SENTENCES",
    "MAX_WORDS",
    "PROMPT_VERSION",
    "ChatStream",
    "Citation",
    "Generator",
    "Notice",
    "Outcome",
    "Part",
    "Question",
    "Quoted",
    "Verdict",
    "answer",
    "notice",
    "quote",
    "searched_text",
]
