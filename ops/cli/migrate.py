"""`lyceum migrate`: the schema, brought up to date by the owner's role."""

import asyncio

import click

from db.errors import DatabaseError
from db.migrate import migrate as apply_migrations
from ops.cli.errors import CommandFailed
from ops.local.addresses import running_settings
from ops.runtime.settings import load_settings


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    settings = running_settings(load_settings(), ["postgres"])
    try:
        applied = asyncio.run(apply_migrations(settings.direct_database_url))
    except (DatabaseError, OSError) as error:
        raise CommandFailed(str(error)) from error
    for migration in applied:
        click.echo(f"applied {migration}")
    click.echo("the schema is up to date")
