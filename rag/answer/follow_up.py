"""Follow-up questions: "And why?", "How many has it?".

A question that can hardly be searched for by itself is searched for together with the one before it. Nothing is guessed
beyond that: what "it" means is not resolved.
"""

import re

from rag.language import analyse, normalise

MAX_OWN_TERMS = 1
MAX_WORDS_WITH_PRONOUN = 8
_PRONOUN = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|one|ones|former|latter"
    r"|هو|هي|هم|هما|ذلك|تلك|هذا|هذه|ذاك|منه|منها|فيه|فيها|عنه|عنها|له|لها|لهم|به|بها)\b"
)
_CONTINUES = re.compile(r"^(?:and|but|so|then|why|how so|what about|how about|و|لماذا|ماذا عن|وماذا عن)\b")


def searched_text(question: str, previous: str, language: str) -> str:
    """Return what to search for: the question, after the one before it where it cannot stand alone."""
    if not previous:
        return question
    text = normalise(question).strip()
    terms = len(analyse(question, language))
    leans = bool(_PRONOUN.search(text)) and len(text.split()) <= MAX_WORDS_WITH_PRONOUN
    if terms <= MAX_OWN_TERMS or leans or (_CONTINUES.search(text) and terms <= MAX_OWN_TERMS + 1):
        return f"{previous} {question}"
    return question
