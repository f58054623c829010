"""What stands where in the documents of the story, found with PDFium alone, not with the product."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pypdfium2

DOCUMENTS = Path(__file__).parents[1] / "data" / "documents"
LETTER = re.compile(r"[^\W\d_]")
ARABIC_LETTER = re.compile(r"[\u0620-\u064a\u066e-\u06d3]")
WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class Gold:
    """A question and a word of the right answer, which stands in the file once."""

    file: str
    question: str
    word: str
    page: int
    language: Literal["en", "ar"]

    @property
    def path(self) -> Path:
        return DOCUMENTS / self.file

    def place(self) -> tuple[float, float]:
        """The middle of the word on its page, from the top left in parts of width and height.

        Raises:
            LookupError: it stands on another page too, or not at all.
        """
        with pypdfium2.PdfDocument(self.path) as document:
            found = [place for number in range(len(document)) for place in _places(document, number, self.word)]
        if [page for page, *_ in found] != [self.page]:
            raise LookupError(f"{self.word} stands at {found}")
        return found[0][1], found[0][2]

    def words_of_the_page(self) -> set[str]:
        """Words of the page that the gold passage stands on."""
        with pypdfium2.PdfDocument(self.path) as document:
            page = document[self.page - 1]
            return words(page.get_textpage().get_text_range())


def words(text: str) -> set[str]:
    """Words of three letters and more, in the forms of NFKC."""
    return set(WORD.findall(unicodedata.normalize("NFKC", text)))


def language_of(text: str) -> Literal["en", "ar"]:
    """The language that most letters belong to."""
    return "ar" if len(ARABIC_LETTER.findall(text)) * 2 > len(LETTER.findall(text)) else "en"


def _places(document: pypdfium2.PdfDocument, number: int, word: str) -> list[tuple[int, float, float]]:
    page = document[number]
    width, height = page.get_size()
    text = page.get_textpage()
    search = text.search(word, match_case=True, match_whole_word=True)
    places = []
    while (hit := search.get_next()) is not None:
        text.count_rects(*hit)
        left, bottom, right, top = text.get_rect(0)
        places.append((number + 1, (left + right) / 2 / width, 1 - (bottom + top) / 2 / height))
    return places


ENGLISH = Gold(
    file="cheatsheet-deep-learning.pdf",
    question="What is a long short-term memory (LSTM) network?",
    word="forget",
    page=2,
    language="en",
)
ARABIC = Gold(
    file="cheatsheet-deep-learning-ar.pdf",
    question="ما الهدف من التعلم المعزز؟",
    word="التأقلم",
    page=2,
    language="ar",
)
