"""`lyceum settings`: every variable, its value and its source; secrets are masked."""

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ops.runtime.settings import SECRETS, Settings, load_settings_with_sources, variable_name

MASK = "••••••"


def shown_value(settings: Settings, field: str) -> str:
    """Return the value as it may be shown."""
    value = str(getattr(settings, field))
    return MASK if value and variable_name(field) in SECRETS else value


@click.command()
def settings() -> None:
    """List every setting with its value and where it came from."""
    loaded, sources = load_settings_with_sources()
    table = Table("setting", "value", "source", box=None, header_style="bold")
    for field in Settings.__struct_fields__:
        name = variable_name(field)
        table.add_row(name, escape(shown_value(loaded, field)) or "[dim]—[/]", sources[name])
    Console(soft_wrap=True).print(table)
