"""The frame around what a learner wrote, in their language, fitted to level, style and accommodations.

The system message holds sentences of ours alone. What people wrote stands in the user message between borders that carry a
hash of it.
"""

from collections.abc import Mapping
from typing import Final

from backend.tutoring.schemas import LAST_SCHOOL_GRADE, GenerateRequest
from backend.tutoring.wording import ARABIC, ENGLISH, Wording
from inference_gateway.contract import ChatMessage
from rag.guard import border

PROMPT_VERSION: Final = "generate-2026-11-1"
_WORDINGS: Final[Mapping[str, Wording]] = {"ar": ARABIC}


def build_prompt(request: GenerateRequest, language: str) -> tuple[ChatMessage, ...]:
    """Return the messages; `language` (ISO 639-1) is that of the prompt. The same request makes the same messages."""
    wording = _WORDINGS.get(language, ENGLISH)
    token = border(request.subject, request.prompt)
    rules = [
        wording.role,
        wording.level[_level(request.grade_level)],
        *([wording.style[request.learning_style]] if request.learning_style else []),
        *(wording.accommodation[name] for name in sorted(set(request.accommodations))),
        wording.data.format(border=token),
    ]
    subject = f"{wording.subject}: {request.subject.strip()}\n" if request.subject.strip() else ""
    user = f"<learner {token}>\n{subject}{wording.question}: {request.prompt.strip()}\n</learner {token}>"
    system = "\n".join(f"- {rule}" for rule in rules)
    return ChatMessage(role="system", content=system), ChatMessage(role="user", content=user)


def _level(grade: int | None) -> str:
    if grade is None:
        return "adult"
    if grade > LAST_SCHOOL_GRADE:
        return "university"
    return "early" if grade <= 3 else "primary" if grade <= 6 else "middle" if grade <= 9 else "secondary"
