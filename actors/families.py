"""Every actor there is. Importing a family declares its actors; a job kind without one fails a test."""

from actors import documents
from actors.actor import REGISTRY

FAMILIES = (documents,)

__all__ = ["FAMILIES", "REGISTRY"]
