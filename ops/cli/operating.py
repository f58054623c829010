"""What the commands of operators share: as whom they act, and how they show what they found."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from actors.families import REGISTRY
from backend.documents import retrying as document_retries
from backend.identity import service as identity
from backend.identity.accounts import normalise_email
from backend.jobs.queues import READ, WRITE
from backend.kit.subject import Subject
from backend.notifications import retrying as delivery_retries
from db.repositories import people, rights
from db.repositories.identity import tenant_by_slug
from ops.cli.errors import CommandFailed
from ops.cli.services import open_services, run_with_services, service_settings
from ops.runtime.ids import TenantId, UserId

LOADED: Final = (REGISTRY, document_retries, delivery_retries)
"""The kinds of jobs there are, and what their retries mean for their domains, are known from here on."""

Result = TypeVar("Result")
Command = TypeVar("Command", bound=Callable[..., Any])
Work = Callable[[Subject], Coroutine[Any, Any, Result]]


class Who(msgspec.Struct, frozen=True):
    """Whose jobs, by whom."""

    tenant: str | None
    email: str | None


def acting(command: Command) -> Command:
    """Add the options that say whose jobs it is about, who acts, and how the answer looks."""
    options = (
        click.option("--tenant", default=None, help="Short name of the tenant; the installation's own when missing."),
        click.option("--as", "email", default=None, help="Who acts; the longest-standing operator when missing."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def run_as(who: Who, work: Work[Result], *, writes: bool = False) -> Result:
    """Run `work` as the operator.

    Raises:
        CommandFailed: there is no such tenant or operator, or a service refused.
    """

    async def run() -> Result:
        async with open_services(service_settings()):
            return await work(await _operator(who, WRITE if writes else READ))

    return run_with_services(run())


async def _operator(who: Who, permission: str) -> Subject:
    tenant = await identity.ensure_default_tenant() if who.tenant is None else await tenant_by_slug(who.tenant)
    if tenant is None:
        raise CommandFailed(f"there is no tenant called {who.tenant}")
    if who.email is not None:
        return await identity.subject_for_user(await user_id_of(who.email, tenant.id))
    holder = await rights.first_holder(tenant.id, permission)
    if holder is None:
        raise CommandFailed(f"nobody of the tenant {tenant.slug} holds {permission}: give somebody the role ops")
    return await identity.subject_for_user(holder)


async def user_id_of(email: str, tenant_id: TenantId) -> UserId:
    """Return the person of the tenant with that address; raises `CommandFailed`."""
    person = await people.find_email(normalise_email(email))
    if person is None or person.tenant_id != tenant_id:
        raise CommandFailed(f"nobody of the tenant has the address {email}")
    return person.id


def show_json(found: Any) -> None:
    """Print the structs as the API gives them."""
    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, width: int | None = None) -> None:
    """Print a table as wide as the terminal, or wider; ids are not broken, and what is written elsewhere cannot paint."""
    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(escape(cell(value)) for value in row))
    Console(soft_wrap=True, width=width).print(table)


def cell(value: object) -> str:
    """Return a value for people: nothing for None, moments to the second."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    return str(value)
