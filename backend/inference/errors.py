"""What can go wrong with models and quotas."""

from backend.errors import NotFound


class UpstreamNotFound(NotFound):
    """The gateway has no upstream of this name."""

    type = "upstream-not-found"
    title = "Upstream not found"


class QuotaNotFound(NotFound):
    """The tenant has no such quota."""

    type = "quota-not-found"
    title = "Quota not found"
