"""The floor below which the tutor says that the material does not answer.

Calibrated on XQuAD, where a question put to the paragraphs of all other articles has no answer there; `python -m
tests.evals` reports both kinds of error. Similarity counts only for the weights it was calibrated with: another model's
cosines lie elsewhere.
"""

from collections.abc import Sequence

from rag.answer.evidence import SMALLEST_COLLECTION, Evidence, TermWeights

PASSAGE_COVERAGE = 0.36
FEW_PASSAGES_RELIEF = 0.06
"""Among few passages fewer hold a question's words by chance."""
SENTENCE_COVERAGE_AND_SIMILARITY = {
    # all-MiniLM-L6-v2
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db": 0.78,
}


def is_relevant(evidence: Sequence[Evidence], weights: TermWeights, model: str) -> bool:
    """Tell whether the best of the passages can be expected to speak of what was asked.

    Args:
        model: sha256 of the weights that made the similarities.
    """
    relief = FEW_PASSAGES_RELIEF if len(evidence) < SMALLEST_COLLECTION else 0.0
    floor = SENTENCE_COVERAGE_AND_SIMILARITY.get(model)
    similar = [item.similarity for item in evidence if item.similarity is not None]
    if floor is not None and similar:
        covered = max((weights.coverage(s.terms) for item in evidence for s in item.sentences), default=0.0)
        return covered + max(similar) >= floor - relief
    return max((weights.coverage(item.terms) for item in evidence), default=0.0) >= PASSAGE_COVERAGE - relief
