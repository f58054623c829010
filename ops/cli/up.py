"""`lyceum up`: everything on this machine, in the foreground."""

import time

import click
from rich.console import Console
from rich.markup import escape

from ops.local.child import Child
from ops.local.plan import Plan
from ops.local.up import run_up
from ops.runtime.settings import load_settings


class TerminalScreen:
    """One line per process as it becomes ready, then the address and, in development, the demo people."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._started = time.monotonic()
        self._announced: set[str] = set()

    def stopped_leftovers(self, names: list[str]) -> None:
        """Tell which processes of a killed run were stopped."""
        self._console.print(f"[yellow]stopped what an earlier run had left:[/] {', '.join(names)}")

    def begins(self, plan: Plan) -> None:
        """Tell where the data lies."""
        self._console.print(f"Lyceum [dim]({plan.settings.env}, data in {escape(str(plan.folder.root))})[/]")

    def changed(self, child: Child) -> None:
        """Tell when a process is ready and when it crashed."""
        name, port = child.program.name, child.program.port
        if child.state == "ready" and name not in self._announced:
            self._announced.add(name)
            where = f"127.0.0.1:{port}" if port else ""
            self._console.print(f"  [green]✓[/] {name:<9} {where:<16} [dim]{child.start_took_seconds:.1f} s[/]")
        elif child.state == "ready":
            self._console.print(f"  [green]✓[/] {name} runs again")
        elif child.state == "ended" and name in self._announced:
            mark = "[red]✗[/]" if child.last_status else "[green]✓[/]"
            self._console.print(f"  {mark} {name} ended with status {child.last_status}; it is started again")

    def ready(self, plan: Plan) -> None:
        """Tell that everything is ready, where, and for whom."""
        self._console.print(f"[bold green]ready[/] in {time.monotonic() - self._started:.1f} s")
        self._console.print(f"\n  {plan.settings.base_url}\n")
        for email, password in plan.demo_people():
            self._console.print(f"  {email:<26} {escape(password)}")
        self._console.print("\n[dim]Ctrl-C stops everything.[/]")


@click.command()
def up() -> None:
    """Start everything on this machine and stay in the foreground."""
    run_up(load_settings(), TerminalScreen())
