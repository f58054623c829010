"""What the courses teach: a few topics, each in several wordings that only their code word tells apart."""

import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from inference_gateway.contract import ModelInfo
from inference_gateway.engines.batching import Prepared
from tests.gateways import HashingEncoder

DIMENSIONS = 64


class Topic(NamedTuple):
    """What is asked and the sentence that answers it."""

    name: str
    question: str
    answer: str


TOPICS = (
    Topic("harbour", "What is the harbour of Ardentia called?", "The harbour of Ardentia is called {code}."),
    Topic("enzyme", "Which enzyme splits the sugar lactonose?", "The enzyme {code} splits the sugar lactonose."),
    Topic("theorem", "Who proved the theorem of even lattices?", "The theorem of even lattices was proved by {code}."),
    Topic(
        "mineral",
        "Which mineral colours the cliffs of Belmar red?",
        "The mineral {code} colours the cliffs red at Belmar.",
    ),
    Topic(
        "treaty",
        "Which treaty ended the war of the nine rivers?",
        "The treaty of {code} ended the war of the nine rivers.",
    ),
    Topic("comet", "Which comet returns every seventeen winters?", "The comet {code} returns every seventeen winters."),
    Topic("poet", "من هو شاعر مدينة أردنتيا القديمة؟", "شاعر مدينة أردنتيا القديمة هو {code} وقد عاش فيها طويلا."),
    Topic(
        "bridge",
        "ما اسم الجسر الذي يعبر نهر بلمار الكبير؟",
        "اسم الجسر الذي يعبر نهر بلمار الكبير هو {code} منذ زمن بعيد.",
    ),
)


class File(NamedTuple):
    """A Markdown file; `code` stands in no other file."""

    topic: Topic
    code: str

    @property
    def name(self) -> str:
        return f"{self.topic.name}.md"

    @property
    def data(self) -> bytes:
        return f"# {self.topic.name.title()}\n\n{self.topic.answer.format(code=self.code)}\n".encode()


def library(topics: int, wordings: int) -> list[File]:
    """The files of a school: `wordings` of each of the first and last topics, so that both languages are there."""
    chosen = [*TOPICS[: topics - 2], *TOPICS[-2:]]
    return [File(topic, f"Qz{topic.name}{number}x") for topic in chosen for number in range(wordings)]


@dataclass
class WordsEncoder(HashingEncoder):
    """Vectors in which texts that share words are near each other."""

    info: ModelInfo = field(
        default_factory=lambda: ModelInfo(
            embedder="tests/words", revision="1" * 64, dimensions=DIMENSIONS, languages=("en", "ar"), max_tokens=128
        )
    )

    def encode(self, batch: Sequence[Prepared]) -> list[bytes]:
        return [struct.pack(f"<{DIMENSIONS}f", *words_vector(item.features)) for item in batch]


def words_vector(text: str) -> list[float]:
    """Return the vector of a text, of length 1: each word, without its last letters, adds to one place."""
    values = [0.0] * DIMENSIONS
    for word in text.lower().split():
        values[hashlib.sha256(word.strip("#?؟.")[:6].encode()).digest()[0] % DIMENSIONS] += 1.0
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return [value / length for value in values]
