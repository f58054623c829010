"""`lyceum adapters`: private LoRA adapters of people, and the list that TGI wants at its start."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click
import msgspec
from rich.console import Console

from backend.jobs.queues import READ, WRITE
from backend.kit.subject import Subject
from inference_gateway.adapters.facts import Facts, ask_model
from inference_gateway.adapters.faults import AdapterFault, FolderRefused, NameTaken
from inference_gateway.adapters.library import AdapterLibrary
from inference_gateway.adapters.manifest import Manifest
from inference_gateway.adapters.names import AdapterName, served_as
from inference_gateway.adapters.peft_folder import Offered, read_folder, write_folder
from inference_gateway.adapters.serving import library_from
from ops.cli.errors import CommandFailed
from ops.cli.operating import Who, acting, run_as, show_json, show_table, user_id_of
from ops.cli.services import service_settings

Result = TypeVar("Result")
Work = Callable[[AdapterLibrary, Subject], Coroutine[Any, Any, Result]]
COLUMNS = ("adapter", "owner", "state", "rank", "modules", "KiB", "pinned", "made")
KIBIBYTE = 1024
WIDTH = 260
"""A name is up to 128 letters long, and of no use when some are missing."""


class AdapterView(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter as an operator sees it; what its signature does not vouch for is not told."""

    id: str
    owner_id: UUID
    state: str
    is_pinned: bool
    base_revision: str
    rank: int
    target_modules: tuple[str, ...]
    size_bytes: int
    created_at: datetime


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter in the start-up list of a server."""

    id: str
    served_as: str
    path: str


class StartupList(msgspec.Struct, frozen=True, kw_only=True):
    """What TGI takes as `LORA_ADAPTERS`, and what the routing file says of the upstream."""

    lora_adapters: str
    adapters: list[Started]


@click.group()
def adapters() -> None:
    """Private LoRA adapters of people, and the list that TGI wants at its start."""


@adapters.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--owner", required=True, help="E-mail address of the one person who may use it.")
@click.option("--name", required=True, help="Namespace: lower-case letters, digits, - and _; it stays the owner's.")
@click.option("--model", default="", help="Folder or hub id of its base model; LYCEUM_MODEL when missing.")
@click.option("--pinned", is_flag=True, help="Never evict it from an engine's memory.")
@acting
def add(
    folder: Path, owner: str, name: str, model: str, pinned: bool, tenant: str | None, email: str | None, as_json: bool
) -> None:
    """Register the adapter in FOLDER (as PEFT writes it) for its owner; its name is never given again."""
    base = model or service_settings().model
    if not base:
        raise CommandFailed("which base model it was made for must be said: --model, or LYCEUM_MODEL")
    try:
        offered = read_folder(folder)
        with Console(stderr=True).status("asking the base model"):
            facts = ask_model(base, folder)
    except FolderRefused as refusal:
        raise CommandFailed(str(refusal)) from refusal

    async def work(library: AdapterLibrary, subject: Subject) -> AdapterView:
        owner_id = await user_id_of(owner, subject.tenant_id)
        manifest = _manifest(offered, facts, namespace=name, tenant_id=subject.tenant_id, owner_id=owner_id)
        await library.add(manifest, offered.weights, is_pinned=pinned, by=subject)
        return _view(manifest, "active", is_pinned=pinned)

    view = _run(Who(tenant, email), work, writes=True)
    show_json(view) if as_json else click.echo(view.id)


@adapters.command("list")
@acting
def list_adapters(tenant: str | None, email: str | None, as_json: bool) -> None:
    """List the tenant's adapters, the revoked ones too."""
    views = _run(Who(tenant, email), _listed)
    if as_json:
        show_json(views)
        return
    rows = [
        (
            view.id,
            view.owner_id,
            view.state,
            view.rank,
            view.target_modules,
            view.size_bytes // KIBIBYTE,
            "yes" if view.is_pinned else None,
            view.created_at,
        )
        for view in views
    ]
    show_table(COLUMNS, rows, width=WIDTH)


@adapters.command()
@click.argument("adapter_id", metavar="ADAPTER")
@acting
def revoke(adapter_id: str, tenant: str | None, email: str | None, as_json: bool) -> None:
    """Take ADAPTER (namespace@sha256) out of use for ever and delete its weights."""
    name = AdapterName.parse(adapter_id)
    if name is None:
        raise CommandFailed(f"{adapter_id} is no adapter's name: namespace@sha256 is one")

    async def work(library: AdapterLibrary, subject: Subject) -> None:
        await library.revoke(name, subject.tenant_id, by=subject)

    _run(Who(tenant, email), work, writes=True)
    show_json({"id": str(name), "state": "revoked"}) if as_json else click.echo(f"{name} is revoked")


@adapters.command("startup-list")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--mount", default="", help="Where the server sees FOLDER; FOLDER itself when missing.")
@click.option("--model", default="", help="Name of the base model as the server knows it; LYCEUM_MODEL when missing.")
@acting
def startup_list(folder: Path, mount: str, model: str, tenant: str | None, email: str | None, as_json: bool) -> None:
    """Write the tenant's active adapters to FOLDER and print TGI's LORA_ADAPTERS and the routing file's line."""
    root = mount or str(folder.resolve())
    if any(sign in root for sign in "=@,"):
        raise CommandFailed("the list takes no path with = @ or , in it: give another --mount")
    base = model or service_settings().model

    async def work(library: AdapterLibrary, subject: Subject) -> list[Started]:
        started = []
        for view in await _listed(library, subject):
            name = AdapterName.parse(view.id)
            if view.state == "active" and name is not None:
                served = served_as(view.id)
                write_folder(folder / served, await library.artefact(name, subject.tenant_id), base)
                started.append(Started(id=view.id, served_as=served, path=f"{root}/{served}"))
        return started

    found = _run(Who(tenant, email), work)
    told = StartupList(lora_adapters=",".join(f"{one.served_as}={one.path}" for one in found), adapters=found)
    if as_json:
        show_json(told)
        return
    click.echo(f"LORA_ADAPTERS={told.lora_adapters}")
    click.echo(f"adapters = {msgspec.json.encode([one.id for one in found]).decode()}")


def _run(who: Who, work: Work[Result], *, writes: bool = False) -> Result:
    """Run `work` with the library, as the operator, whose right no service asks for here.

    Raises:
        CommandFailed: the operator may not, there is no library, or the library refused.
    """

    async def with_library(subject: Subject) -> Result:
        subject.require(WRITE if writes else READ)
        library = library_from(service_settings())
        if library is None:
            raise CommandFailed("there is nowhere to keep adapters: set OBJECT_STORE_URL and LYCEUM_SERVICE_KEY")
        try:
            return await work(library, subject)
        except NameTaken as taken:
            raise CommandFailed(str(taken)) from taken
        except AdapterFault as fault:
            raise CommandFailed(f"{fault.reason}: {fault}") from fault

    return run_as(who, with_library, writes=writes)


async def _listed(library: AdapterLibrary, subject: Subject) -> list[AdapterView]:
    found = await library.listed(subject.tenant_id)
    return [
        _view(one.manifest, one.entry.state, is_pinned=one.entry.is_pinned) for one in found if one.manifest is not None
    ]


def _view(manifest: Manifest, state: str, *, is_pinned: bool) -> AdapterView:
    return AdapterView(
        id=str(manifest.name),
        owner_id=manifest.owner_id,
        state=state,
        is_pinned=is_pinned,
        base_revision=manifest.base_revision,
        rank=manifest.rank,
        target_modules=manifest.target_modules,
        size_bytes=manifest.size_bytes,
        created_at=manifest.created_at,
    )


def _manifest(offered: Offered, facts: Facts, **whose: Any) -> Manifest:
    """Check it as one that was read; raises `CommandFailed`."""
    manifest = Manifest(
        sha256=offered.sha256,
        base_revision=facts.base_revision,
        rank=offered.rank,
        alpha=offered.alpha,
        target_modules=offered.target_modules,
        size_bytes=len(offered.weights),
        probe=facts.probe,
        created_at=datetime.now(UTC),
        **whose,
    )
    try:
        return msgspec.convert(msgspec.to_builtins(manifest), Manifest)
    except msgspec.ValidationError as error:
        raise CommandFailed(f"it cannot be registered: {error}") from error
