"""Every actor there is. Importing a family declares its actors; a job kind without one fails a test."""

from actors import documents, jobs, notifications
from actors.actor import REGISTRY, tell_of_end

FAMILIES = (documents, jobs, notifications)

__all__ = ["FAMILIES", "REGISTRY", "tell_of_end"]
