"""`lyceum tenant create`, `lyceum admin create` and `lyceum admin reset`."""

import click

from backend.identity import service as identity
from backend.identity.schemas import SignInLink
from ops.cli.services import open_services, run_with_services, service_settings


def _show(email: str, link: SignInLink) -> None:
    click.echo(f"{email} signs in once, until {link.expires_at:%Y-%m-%d %H:%M} UTC, with:\n{link.url}")


@click.group()
def tenant() -> None:
    """Universities and schools that share this installation."""


@tenant.command("create")
@click.argument("name")
@click.option("--slug", required=True, help="Short name: lower-case letters, digits and hyphens.")
def create_tenant(name: str, slug: str) -> None:
    """Create a tenant with the built-in roles."""

    async def work() -> None:
        async with open_services(service_settings()):
            made = await identity.create_tenant(slug, name)
            click.echo(f"tenant {made.slug} created ({made.id})")

    run_with_services(work())


@click.group()
def admin() -> None:
    """Administrators."""


@admin.command("create")
@click.argument("email")
@click.option("--name", default="", help="Name shown to others; taken from the address when missing.")
@click.option(
    "--tenant", "tenant_slug", default=None, help="Short name of the tenant; the installation's own when missing."
)
def create_admin(email: str, name: str, tenant_slug: str | None) -> None:
    """Create an administrator and print a one-time sign-in link."""

    async def work() -> None:
        async with open_services(service_settings()):
            await identity.create_administrator(tenant_slug, email, display_name=name)
            _show(email, await identity.reset_link(email))

    run_with_services(work())


@admin.command("reset")
@click.argument("email")
def reset_admin(email: str) -> None:
    """Print a one-time sign-in link for somebody who cannot sign in any more."""

    async def work() -> None:
        async with open_services(service_settings()):
            _show(email, await identity.reset_link(email))

    run_with_services(work())
