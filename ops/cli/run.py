"""`lyceum run`: one process in the foreground, as `lyceum up` and a production host start it."""

import click

from ops.local.addresses import running_settings
from ops.runtime.settings import Settings, load_settings


def _settings(*needs: str) -> Settings:
    return running_settings(load_settings(), needs)


@click.group()
def run() -> None:
    """Start one process in the foreground."""


@run.command()
def api() -> None:
    """Serve HTTP, WebSockets and the pages."""
    from backend.app import serve  # noqa: PLC0415 - each process loads its own libraries only
    from ops.cli.services import refuse_demo_people  # noqa: PLC0415

    settings = _settings("postgres", "valkey", "vectors", "gateway")
    if settings.env == "production":
        refuse_demo_people(settings)
    serve(settings)


@run.command()
@click.option("--queues", default="", help="Comma-separated queues to take jobs from; all when empty.")
def worker(queues: str) -> None:
    """Do the jobs."""
    from db.jobs import QUEUES  # noqa: PLC0415

    names = [name.strip() for name in queues.split(",") if name.strip()]
    if unknown := sorted(set(names) - set(QUEUES)):
        raise click.BadParameter(f"no such queue: {', '.join(unknown)} (there are {', '.join(QUEUES)})")
    from actors.main import run_worker  # noqa: PLC0415

    run_worker(_settings("postgres", "valkey", "vectors", "gateway"), names or QUEUES)


@run.command()
def clock() -> None:
    """Relay, reconcile, schedule and seal; one of several leads."""
    from actors.clock import run_clock  # noqa: PLC0415

    run_clock(_settings("postgres", "valkey", "vectors"))


@run.command()
def gateway() -> None:
    """Serve embeddings and chat completions."""
    from inference_gateway.app import serve  # noqa: PLC0415

    serve(_settings("gateway"))


@run.command()
def vectors() -> None:
    """Serve the vector index of this machine with Qdrant's REST API."""
    from ops.local.vectors.app import serve  # noqa: PLC0415

    serve(_settings("vectors"))
