"""Reading the tutor's prompt the way a model would: numbered passages and a question."""

import re
from dataclasses import dataclass

_BLOCK = re.compile(r"<passages \w+>\n(?P<passages>.*?)\n</passages", re.DOTALL)
_PASSAGE = re.compile(r"^\[(?P<number>\d+)\] (?P<text>.*?)(?=\n\n(?:\[\d+\]|Question:) |\Z)", re.DOTALL | re.MULTILINE)
_QUESTION = re.compile(r"Question: (?P<question>[^\n<\[]*)")
_HEADING = re.compile(r"^\([^()]*\) ")
_SENTENCE = re.compile(r"[^.!?؟]+(?:[.!?؟](?=\d)[^.!?؟]*)*[.!?؟]?")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Sentence:
    """One sentence of passage `number`, without its full stop."""

    number: int
    text: str


@dataclass(frozen=True)
class Prompt:
    """What a prompt holds."""

    passages: dict[int, str]
    question: str

    def sentences(self) -> list[Sentence]:
        """All sentences of all passages, in order."""
        found = [
            Sentence(number, match[0].strip().rstrip(".!?؟"))
            for number, text in self.passages.items()
            for match in _SENTENCE.finditer(text)
        ]
        return [sentence for sentence in found if len(_WORD.findall(sentence.text)) >= 3]

    def best_sentence(self) -> Sentence | None:
        """The sentence that shares most words with the question; the first of equals."""
        asked = {word.lower() for word in _WORD.findall(self.question) if len(word) > 2}
        return max(
            self.sentences(),
            key=lambda sentence: len(asked & {word.lower() for word in _WORD.findall(sentence.text)}),
            default=None,
        )


def read_prompt(text: str) -> Prompt:
    """Parse the text of all messages together."""
    block = _BLOCK.search(text)
    passages = {
        int(match["number"]): _HEADING.sub("", match["text"]).strip()
        for match in _PASSAGE.finditer(block["passages"] if block else text)
    }
    questions = _QUESTION.findall(text)
    return Prompt(passages, questions[-1].strip() if questions else "")
