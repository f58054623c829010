"""Language of a text. The script decides first: it is right for a question of three words, where statistics are not."""

import re
from collections import Counter

from rag.language.identify import LetterStatistics
from rag.language.normalise import normalise
from rag.language.script import Script, count_letters, script_of
from rag.language.stop_words import STOP_WORDS

UNDETERMINED = "und"
_SAMPLE_CHARS = 4000
_ARABIC_SHARE = 0.3
# Log-likelihood by which another language must beat English: "gradient descent" looks French to letter statistics by 9.6.
_MARGIN_OVER_ENGLISH = 12.0
_WORD = re.compile(r"[^\W\d_]+")
_PERSIAN_OR_URDU = re.compile("[پچژگٹڈڑںھےہ]")
_LATIN = "en fr de es it pt nl sv da no fi tr id ms pl cs hu ro vi ca"
_BY_SCRIPT: dict[Script, tuple[str, ...]] = {
    "latin": tuple(_LATIN.split()),
    "arabic": ("ar", "fa", "ur"),
    "cyrillic": ("ru", "uk", "bg", "sr"),
    "greek": ("el",),
    "hebrew": ("he",),
    "cjk": ("zh", "ja", "th"),
    "other": ("ko", "hi", "bn", "ta", "am", "ka", "hy"),
}
_STATISTICS = LetterStatistics({language for languages in _BY_SCRIPT.values() for language in languages})


def detect(text: str) -> str:
    """Return the ISO 639-1 code of the language most of `text` is in, `und` when it has no letters.

    Arabic text full of Latin terms is Arabic. The first call loads a model (0.5 s), see `warm`.
    """
    sample = text[:_SAMPLE_CHARS]
    letters = count_letters(sample)
    if not letters:
        return UNDETERMINED
    script = letters.most_common(1)[0][0]
    if letters["arabic"] and script != "arabic" and _is_arabic_frame(sample, letters["arabic"] / letters.total()):
        script = "arabic"
    if script == "arabic" and not _PERSIAN_OR_URDU.search(sample):
        return "ar"
    candidates = _BY_SCRIPT[script]
    return candidates[0] if len(candidates) == 1 else _most_likely(sample, script)


def warm() -> None:
    """Load what the first `detect` would load, off the path of a request."""
    _STATISTICS.load()


def _is_arabic_frame(sample: str, arabic_share: float) -> bool:
    """Tell whether a mixed text is Arabic with foreign terms: by its small words, else by its first word or letters."""
    words = _WORD.findall(normalise(sample))
    small = Counter(script_of(word[0]) for word in words if word in STOP_WORDS)
    if small["arabic"] != small["latin"]:
        return small["arabic"] > small["latin"]
    return arabic_share >= _ARABIC_SHARE or script_of(words[0][0]) == "arabic"


def _most_likely(sample: str, script: Script) -> str:
    ranked = _STATISTICS.rank(sample, _BY_SCRIPT[script])
    best, likelihood = ranked[0]
    if script == "latin" and likelihood - dict(ranked)["en"] < _MARGIN_OVER_ENGLISH:
        return "en"
    return best
