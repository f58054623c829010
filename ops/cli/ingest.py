"""`lyceum ingest`: a folder's documents into a course, followed until each is ready or has failed."""

import asyncio
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from backend.academics import service as academics
from backend.documents import service as documents
from backend.documents.schemas import DocumentView, UploadForm
from backend.errors import LyceumError, PermissionMissing
from backend.identity import service as identity
from backend.identity.accounts import normalise_email
from backend.kit.subject import Subject
from db.repositories import people, rights
from ops.cli.errors import CommandFailed
from ops.cli.services import open_services, run_with_services, service_settings
from ops.runtime.ids import CourseId, DocumentId
from ops.runtime.objects import ObjectStore
from ops.upload import uploaded_file

POLL_SECONDS = 0.5
LISTED = 200
ENDED = ("ready", "failed")
WRITE = "document.write"


class Refused(NamedTuple):
    """A file that will not be read, and why."""

    name: str
    reason: str


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--course", required=True, help="Code or id of the course.")
@click.option("--as", "email", default=None, help="Who uploads; the longest-standing administrator when missing.")
def ingest(folder: Path, course: str, email: str | None) -> None:
    """Upload the documents of FOLDER to a course and wait until they are ready; exit status 1 if one failed."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise CommandFailed(f"{folder} holds no files")
    settings = service_settings()

    async def work() -> tuple[list[DocumentView], list[Refused]]:
        async with open_services(settings) as objects:
            subject = await _uploader(email)
            course_id = await _course(subject, course)
            return await _ingest(subject, objects, course_id, files, settings.max_upload_bytes)

    views, failed = run_with_services(work())
    failed += [Refused(view.file_name, view.failure.detail) for view in views if view.failure is not None]
    console = Console(soft_wrap=True)
    for name, reason in failed:
        console.print(f"[red]✗[/] {escape(name)}: {escape(reason)}")
    passages = sum(view.passages or 0 for view in views)
    console.print(f"{len(files) - len(failed)} of {len(files)} documents are ready, {passages} passages")
    if failed:
        raise click.exceptions.Exit(1)


async def _uploader(email: str | None) -> Subject:
    if email is not None:
        person = await people.find_email(normalise_email(email))
        if person is None:
            raise CommandFailed(f"nobody has the address {email}")
        return await identity.subject_for_user(person.id)
    tenant = await identity.ensure_default_tenant()
    holder = await rights.first_holder(tenant.id, WRITE)
    if holder is None:
        raise CommandFailed("there is no administrator yet: `lyceum admin create EMAIL` makes one")
    return await identity.subject_for_user(holder)


async def _course(subject: Subject, wanted: str) -> CourseId:
    try:
        return (await academics.readable_course(subject, CourseId(UUID(wanted)))).id
    except ValueError:
        found = [c for c in await academics.list_courses(subject, text=wanted, limit=LISTED) if c.code == wanted]
    if not found:
        raise CommandFailed(f"there is no course {wanted} that {subject.email} may read")
    if len(found) > 1:
        raise CommandFailed(
            f"{len(found)} courses have the code {wanted}; give one's id: {', '.join(str(c.id) for c in found)}"
        )
    return found[0].id


async def _ingest(
    subject: Subject, objects: ObjectStore, course_id: CourseId, files: list[Path], max_bytes: int
) -> tuple[list[DocumentView], list[Refused]]:
    """Upload what can be uploaded; one file that cannot does not keep the others out."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        uploading = progress.add_task("uploaded", total=len(files))
        accepted: list[DocumentId] = []
        refused: list[Refused] = []
        for path in files:
            try:
                file = await asyncio.to_thread(uploaded_file, path, max_bytes)
                answer, _is_new = await documents.upload(subject, objects, UploadForm(course_id=course_id), file)
                accepted.append(answer.id)
            except PermissionMissing:
                raise
            except LyceumError as error:
                refused.append(Refused(path.name, error.detail or error.title))
            except OSError as error:
                refused.append(Refused(path.name, error.strerror or type(error).__name__))
            progress.advance(uploading)
        accepted = list(dict.fromkeys(accepted))
        reading = progress.add_task("ready", total=len(accepted))
        return [await _follow(subject, document_id, progress, reading) for document_id in accepted], refused


async def _follow(subject: Subject, document_id: DocumentId, progress: Progress, task: TaskID) -> DocumentView:
    while (view := await documents.get_document(subject, document_id)).state not in ENDED:
        shown = f"{view.state} {view.progress.done}/{view.progress.total}" if view.progress.total else view.state
        progress.update(task, description=f"{escape(view.title)}: {shown}")
        await asyncio.sleep(POLL_SECONDS)
    progress.update(task, advance=1, description="ready")
    return view
