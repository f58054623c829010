"""`lyceum demo`: the demo data, for development."""

import click

from ops.cli.errors import CommandFailed
from ops.cli.services import open_services, run_with_services, service_settings
from ops.demo.load import load_demo
from ops.local.data_folder import DataFolder
from ops.local.demo import DEMO_EMAILS, demo_password


@click.command()
def demo() -> None:
    """Load the demo faculties, courses, documents and people; what is there already stays."""
    settings = service_settings()
    if settings.env == "production":
        raise CommandFailed("the demo has no place in production: its people could sign in there")
    folder = DataFolder(settings.data_dir)
    folder.prepare()
    password = demo_password(settings, folder)

    async def work() -> None:
        async with open_services(settings) as objects:
            await load_demo(objects, password, settings.max_upload_bytes, click.echo)

    run_with_services(work())
    for email in DEMO_EMAILS:
        click.echo(f"{email}  {password}")
