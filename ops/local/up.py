"""One run of the local installation, from the lock on the data folder to the last process stopped."""

import asyncio
from typing import Protocol

from ops.local.child import Child
from ops.local.data_folder import DataFolder
from ops.local.errors import PortTaken
from ops.local.plan import Plan
from ops.local.ports import is_free
from ops.local.records import stop_leftovers
from ops.local.supervisor import Supervisor
from ops.runtime.settings import Settings


class Screen(Protocol):
    """What the person at the terminal is told."""

    def stopped_leftovers(self, names: list[str]) -> None:
        """Processes of an earlier run were still there."""

    def begins(self, plan: Plan) -> None:
        """Everything is settled; the processes start."""

    def changed(self, child: Child) -> None:
        """A process has a new state."""

    def ready(self, plan: Plan) -> None:
        """Every process is ready."""


def run_up(settings: Settings, screen: Screen) -> None:
    """Run everything in the foreground until a signal asks to stop.

    Raises:
        LocalError: the folder or the public port is taken, or something failed before all was ready.
    """
    folder = DataFolder(settings.data_dir)
    folder.prepare()
    with folder.lock():
        folder.versions()
        if left := stop_leftovers(folder):
            screen.stopped_leftovers(left)
        if not is_free(settings.port):
            raise PortTaken(f"port {settings.port} belongs to another program: set LYCEUM_PORT to a free one")
        plan = Plan(settings, folder)
        screen.begins(plan)
        supervisor = Supervisor(
            folder,
            plan.programs(),
            plan.steps(),
            port=settings.port,
            on_change=screen.changed,
            on_ready=lambda: screen.ready(plan),
        )
        asyncio.run(supervisor.run())
