"""What can go wrong with texts for a learner."""

from backend.errors import LyceumError


class GenerationNotPossible(LyceumError):
    """No generation model is set up here, or none answers; the tutor's answers from the material (`/chat`) need none."""

    type = "generation-unavailable"
    status = 503
    title = "No generation model"


class PromptRefused(LyceumError):
    """The tutor does not take this prompt: it asks for other rules, for a running exam to be solved, or holds no words."""

    type = "prompt-refused"
    status = 422
    title = "Prompt refused"


class GenerationRefused(LyceumError):
    """The model cannot take the request, e.g. because prompt and answer together are longer than it reads."""

    type = "generation-refused"
    status = 422
    title = "Generation refused"


class QuotaUsedUp(LyceumError):
    """The tokens or requests of the person, the course or the whole tenant are used up; `Retry-After` tells when some are back."""

    type = "quota-exhausted"
    status = 429
    title = "Quota used up"
