"""`python -m tests.integration.faults.dying_api`: an api process that dies by SIGKILL between an act and its answer."""

import os
import signal

from backend.academics import controller as academics
from backend.app import create_app
from backend.identity import controller as identity
from backend.kit.idempotency import PendingAnswer
from backend.server import run_server
from backend.system import controller as system
from ops.runtime.settings import load_settings


async def die(*_: object) -> None:
    """Die where the answer would be stored."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    PendingAnswer._settle = die  # type: ignore[assignment, method-assign]
    settings = load_settings()
    handlers = [*identity.controllers, *academics.controllers, *system.controllers]
    run_server(create_app(settings, route_handlers=handlers), settings)
