"""What goes wrong with webhooks and events."""

from backend.errors import AuthenticationRequired, Conflict, InputError, LyceumError, NotFound


class WebhookNotFound(NotFound):
    """There is no such webhook in the institution."""

    type = "webhook-not-found"
    title = "Webhook not found"

    def __init__(self) -> None:
        super().__init__("There is no such webhook.")


class DeliveryNotFound(NotFound):
    """The webhook has no such delivery, or its record was purged."""

    type = "webhook-delivery-not-found"
    title = "Delivery not found"

    def __init__(self) -> None:
        super().__init__("There is no such delivery.")


class WebhookRefused(LyceumError):
    """The webhook cannot be as asked for: its address is not public, or there is no such event; `errors` points at it."""

    type = "webhook-refused"
    status = 422
    title = "Webhook refused"

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail, errors=[InputError(pointer=pointer, detail=detail)])


class TooManyWebhooks(Conflict):
    """The institution has as many webhooks as it may have; delete one first."""

    type = "too-many-webhooks"
    title = "Too many webhooks"

    def __init__(self, most: int) -> None:
        super().__init__(f"An institution may have {most} webhooks.")


class WebhookDisabled(Conflict):
    """The webhook is switched off; switch it on first."""

    type = "webhook-disabled"
    title = "Webhook is off"

    def __init__(self) -> None:
        super().__init__("The webhook is switched off.")


class DeliveryRunning(Conflict):
    """The delivery still has attempts before it."""

    type = "webhook-delivery-running"
    title = "Delivery not over"

    def __init__(self) -> None:
        super().__init__("The delivery is not over: it will be tried again by itself.")


class DeliveryFailed(LyceumError):
    """The receiver did not take the message; it is sent again with growing pauses for about a day, or when it asks for it."""

    type = "webhook-delivery-failed"
    status = 502
    title = "Delivery failed"


class SourceNotFound(NotFound):
    """There is no such source of webhooks."""

    type = "webhook-source-not-found"
    title = "Source not found"

    def __init__(self) -> None:
        super().__init__("There is no such source.")


class SourceNameTaken(Conflict):
    """Another source has this name."""

    type = "webhook-source-name-taken"
    title = "Source's name taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"A source is called {name}.")


class SignatureRefused(AuthenticationRequired):
    """The message is not signed with the source's secret, or was signed more than five minutes ago."""

    type = "webhook-signature-refused"
    title = "Signature refused"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Webhook-Signature"})


class DeadLetterNotFound(NotFound):
    """There is no such event among those that were given up."""

    type = "dead-event-not-found"
    title = "Dead event not found"

    def __init__(self) -> None:
        super().__init__("There is no such event among those that were given up.")
