"""`lyceum down` and `lyceum status`."""

import click
from rich.console import Console
from rich.table import Table

from ops.cli.errors import NOT_RUNNING
from ops.local.data_folder import DataFolder
from ops.local.down import stop_running
from ops.local.errors import NotRunning
from ops.local.status import process_statuses
from ops.runtime.settings import load_settings

MEBIBYTE = 1024 * 1024
COLOURS = {"up": "green", "not ready": "yellow", "down": "red"}


@click.command()
def down() -> None:
    """Stop a running `lyceum up`."""
    try:
        click.echo(stop_running(DataFolder(load_settings().data_dir)))
    except NotRunning as nothing:
        click.echo(str(nothing))


@click.command()
def status() -> None:
    """Show the processes, their ports, health and memory; exit status 3 unless all are up."""
    folder = DataFolder(load_settings().data_dir)
    rows = process_statuses(folder)
    if not rows:
        raise NotRunning(f"nothing runs on {folder.root}")
    table = Table("process", "health", "pid", "port", "memory", "up for", box=None, header_style="bold")
    for row in reversed(rows):
        memory = f"{row.memory_bytes / MEBIBYTE:.0f} MiB"
        health = f"[{COLOURS[row.health]}]{row.health}[/]"
        table.add_row(row.name, health, str(row.pid), str(row.port or ""), memory, f"{row.age_seconds:.0f} s")
    Console().print(table)
    if any(row.health != "up" for row in rows):
        raise click.exceptions.Exit(NOT_RUNNING)
