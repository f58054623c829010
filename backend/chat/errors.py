"""What can go wrong with questions and conversations, as callers are told."""

from backend.errors import LyceumError, NotFound


class ConversationNotFound(NotFound):
    """The person has no such conversation."""

    type = "conversation-not-found"
    title = "Conversation not found"


class MessageNotFound(NotFound):
    """The person was given no such answer."""

    type = "message-not-found"
    title = "Message not found"


class TooManyOpenAnswers(LyceumError):
    """Two answers are being given to this person; the next question has to wait until one has ended or was stopped."""

    type = "too-many-open-answers"
    status = 429
    title = "Two answers are open"


class AnswerInterrupted(LyceumError):
    """The process that gave the answer is gone; what it had said is kept, ask again for the rest."""

    type = "interrupted"
    status = 503
    title = "Answer interrupted"


class AnswerFailed(LyceumError):
    """Nothing could be said, because a part of the installation does not answer; `detail` names it. The question is kept."""

    type = "answer-failed"
    status = 503
    title = "No answer"


class GenerationBroken(LyceumError):
    """The generation model broke off; what was said up to there is checked and stays."""

    type = "generation-broken"
    status = 502
    title = "Generation broke off"
