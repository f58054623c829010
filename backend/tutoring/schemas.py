"""What `POST /api/v1/generate` takes and gives."""

from typing import Annotated, Final, Literal

import msgspec

from inference_gateway.contract import CacheOutcome, FinishReason

MAX_PROMPT_CHARACTERS: Final = 4000
MAX_SUBJECT_CHARACTERS: Final = 80
MAX_ANSWER_TOKENS: Final = 2048
DEFAULT_ANSWER_TOKENS: Final = 512
LAST_SCHOOL_GRADE: Final = 12

PromptText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_PROMPT_CHARACTERS, pattern=r"\S")]
GradeLevel = Annotated[int, msgspec.Meta(ge=1, le=LAST_SCHOOL_GRADE + 4)]
SubjectName = Annotated[
    str, msgspec.Meta(max_length=MAX_SUBJECT_CHARACTERS, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]*$")
]
AnswerTokens = Annotated[int, msgspec.Meta(ge=1, le=MAX_ANSWER_TOKENS)]
LearningStyle = Literal["visual", "auditory", "reading", "kinesthetic"]
Accommodation = Literal[
    "short_sentences",
    "plain_language",
    "step_by_step",
    "extra_examples",
    "no_colour_cues",
    "read_aloud",
    "one_idea_at_a_time",
]


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a learner asks, and for whom it is to be written.

    `grade_level` counts years of learning from 1; 13 to 16 are a university's. Without it the text is for an adult beginner.
    """

    prompt: PromptText
    grade_level: GradeLevel | None = None
    subject: SubjectName = ""
    learning_style: LearningStyle | None = None
    accommodations: Annotated[tuple[Accommodation, ...], msgspec.Meta(max_length=7)] = ()
    max_tokens: AnswerTokens = DEFAULT_ANSWER_TOKENS


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens as the model counts them."""

    prompt_tokens: int
    completion_tokens: int


class GeneratedText(msgspec.Struct, frozen=True, kw_only=True):
    """A text and where it comes from. It rests on no source: nothing in it was checked.

    `model` is the one that answered; `degraded`: a lesser one than is set up. `cache` is `hit` where the same was asked before.
    `finish_reason` is `length` where `max_tokens` or a quota cut it. `usage` is null where the model's server tells none.
    """

    text: str
    model: str
    degraded: bool
    cache: CacheOutcome
    finish_reason: FinishReason
    usage: TokenUsage | None
    language: str
    prompt_version: str
