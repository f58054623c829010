"""The world of identity's tests serves here too."""

from tests.integration.identity.conftest import world

__all__ = ["world"]
