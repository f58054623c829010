"""`python -m tests.replica`: an api process with the routes of identity and academics alone, from its environment."""

from backend.academics import controller as academics
from backend.app import create_app
from backend.identity import controller as identity
from backend.server import run_server
from backend.system import controller as system
from ops.runtime.settings import load_settings

if __name__ == "__main__":
    settings = load_settings()
    handlers = [*identity.controllers, *academics.controllers, *system.controllers]
    run_server(create_app(settings, route_handlers=handlers), settings)
