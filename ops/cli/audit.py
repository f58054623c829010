"""`lyceum audit verify`: the chain of seals over the acts of all tenants, recomputed."""

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from db.engine import close_database, open_database
from db.repositories.audit import SealCheck, SealTotals, check_seals, seal_totals
from ops.cli.errors import CommandFailed
from ops.cli.services import run_with_services
from ops.local.addresses import running_settings
from ops.runtime.logging import configure_logging
from ops.runtime.settings import Settings, load_settings


@click.group()
def audit() -> None:
    """The log of who did what."""


@audit.command()
def verify() -> None:
    """Recompute every seal; exit status 1 names the first entry that was changed, added or removed.

    The last line is the hash over everything before: kept elsewhere, it also shows whether the end of the log was cut off.
    """
    settings = running_settings(load_settings(), ["postgres"])
    totals, last = run_with_services(_verify(settings))
    if last is not None and last.fault:
        raise CommandFailed(f"the audit log does not hold at seal {last.number}: {last.fault}")
    waiting = totals.entries - totals.sealed_entries
    click.echo(f"{totals.seals} seals over {totals.sealed_entries} entries hold; {waiting} entries are not sealed yet")
    if last is not None:
        click.echo(f"seal {last.number}: {last.hash.hex()}")


async def _verify(settings: Settings) -> tuple[SealTotals, SealCheck | None]:
    """Return the counts and the last seal that was looked at."""
    configure_logging("cli", "warning")
    await open_database(settings, pool_size=1)
    last = None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        totals = await seal_totals()
        with Progress(*columns) as progress:
            entries = progress.add_task("entries", total=totals.sealed_entries)
            async for last in check_seals():
                progress.advance(entries, last.entry_count)
    finally:
        await close_database()
    return totals, last
