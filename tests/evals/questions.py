"""Questions with gold answers in the format of SQuAD 1.1; ids are the same in both languages."""

from pathlib import Path
from typing import Literal

import msgspec

Language = Literal["en", "ar"]
LANGUAGES: tuple[Language, ...] = ("en", "ar")
SAMPLE = Path(__file__).parents[1] / "data" / "qa"


class _Answer(msgspec.Struct, frozen=True):
    text: str
    answer_start: int


class _Question(msgspec.Struct, frozen=True):
    id: str
    question: str
    answers: list[_Answer]


class _Paragraph(msgspec.Struct, frozen=True):
    context: str
    qas: list[_Question]


class _Article(msgspec.Struct, frozen=True):
    paragraphs: list[_Paragraph]


class _File(msgspec.Struct, frozen=True):
    data: list[_Article]


class Paragraph(msgspec.Struct, frozen=True):
    """A text to find; `article` counts from 0."""

    article: int
    text: str


class Question(msgspec.Struct, frozen=True):
    """A question whose answer stands in paragraph `gold` from `start` to `end`, in code points."""

    text: str
    gold: int
    start: int
    end: int


class QuestionSet(msgspec.Struct, frozen=True):
    """The questions of one language and the paragraphs they are put to."""

    language: Language
    paragraphs: list[Paragraph]
    questions: list[Question]

    @property
    def articles(self) -> int:
        """How many articles there are."""
        return self.paragraphs[-1].article + 1


def load(folder: Path, language: Language) -> QuestionSet:
    """Read `xquad.<language>.json` from `folder` or its subfolder `qa`."""
    name = f"xquad.{language}.json"
    path = next(path for path in (folder / name, folder / "qa" / name) if path.exists())
    file = msgspec.json.decode(path.read_bytes(), type=_File)
    paragraphs: list[Paragraph] = []
    questions: list[Question] = []
    for number, article in enumerate(file.data):
        for paragraph in article.paragraphs:
            paragraphs.append(Paragraph(number, paragraph.context))
            for asked in paragraph.qas:
                answer = asked.answers[0]
                end = answer.answer_start + len(answer.text)
                questions.append(Question(asked.question, len(paragraphs) - 1, answer.answer_start, end))
    return QuestionSet(language, paragraphs, questions)
