"""The `lyceum` command. Each group is a module of its own, imported when it is called: `lyceum settings` loads no model."""

import importlib
import sys
from collections.abc import Mapping

import click

from ops.cli.errors import explain

COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("ops.cli.up:up", "Start everything on this machine and stay in the foreground."),
    "down": ("ops.cli.manage:down", "Stop a running `lyceum up`."),
    "status": ("ops.cli.manage:status", "Show the processes, their ports, health and memory."),
    "run": ("ops.cli.run:run", "Start one process in the foreground: api, worker, clock, gateway or vectors."),
    "settings": ("ops.cli.settings:settings", "List every setting with its value and where it came from."),
    "migrate": ("ops.cli.migrate:migrate", "Bring the database's schema up to date."),
    "admin": ("ops.cli.people:admin", "Create an administrator, or let one in again."),
    "audit": ("ops.cli.audit:audit", "Verify that nothing in the audit log was changed or removed."),
    "tenant": ("ops.cli.people:tenant", "Create a tenant."),
    "demo": ("ops.cli.demo:demo", "Load the demo faculties, courses, documents and people."),
    "ingest": ("ops.cli.ingest:ingest", "Upload the documents of a folder to a course and wait until they are ready."),
    "jobs": ("ops.cli.jobs:jobs", "Work in the background: find it, understand it, start it again, call it off."),
    "queues": ("ops.cli.jobs:queues_group", "The queues of jobs, and their pauses."),
    "workers": ("ops.cli.jobs:workers_group", "The worker processes."),
    "replay": ("ops.cli.replay:replay", "Run an answer again from its record and compare."),
    "adapters": (
        "ops.cli.adapters:adapters",
        "Private LoRA adapters of people, and the list that TGI wants at its start.",
    ),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lyceum", message="lyceum %(version)s")
def cli() -> None:
    """An AI tutor that answers from a university's own courses, with citations that can be checked."""


def main() -> None:
    """Run the command; an error that a person can do something about is one sentence and an exit status."""
    try:
        cli(prog_name="lyceum")
    except Exception as error:
        if (known := explain(error)) is None:
            raise
        click.echo(f"Error: {known.sentence}", err=True)
        sys.exit(known.status)


if __name__ == "__main__":
    main()
