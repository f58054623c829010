"""The api process without rate limits, for tests that send thousands of requests."""

from backend.app import create_app
from backend.server import run_server
from ops.runtime.settings import Settings
from tests.api import NO_LIMITS


def serve(settings: Settings) -> None:
    """Run until told to stop."""
    run_server(create_app(settings, limits=NO_LIMITS), settings)
