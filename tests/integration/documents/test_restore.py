"""Deleted documents and courses that come back: read anew, found again when ready, and nothing wrong in between."""

from uuid import UUID

import pytest

from backend.academics import restoring as academics
from backend.academics import service as courses
from backend.academics.errors import ParentDeleted
from backend.academics.jobs import COURSE_RESTORED
from backend.academics.service import scope_for
from backend.documents import restoring, service
from backend.documents.errors import DocumentNotFound, RemovalRunning, SameFileElsewhere
from backend.documents.jobs import INGEST, PRUNE
from backend.documents.schemas import DocumentView
from backend.documents.upkeep import purge_deleted
from backend.kit.subject import Subject
from db import query
from tests.installation import Installation, received
from tests.integration.documents.test_ingestion import MARKDOWN


async def _readable(subject: Subject) -> list[UUID]:
    """Passages that Postgres lets out, whatever the index proposes."""
    ids = await query.fetch_values("SELECT id FROM passages ORDER BY id")
    return [passage.passage_id for passage in await service.passages_in_scope(ids, await scope_for(subject))]


async def _deleted_document(installation: Installation, data: bytes = MARKDOWN) -> UUID:
    accepted = await installation.upload(data, "back.md")
    await installation.work()
    await service.delete_document(installation.home.administrator, accepted.id)
    return accepted.id


async def _restored(installation: Installation, document_id: UUID) -> DocumentView:
    return await restoring.restore_document(installation.home.administrator, document_id)


async def _document_set(subject: Subject) -> int:
    return (await scope_for(subject)).courses[0].document_set_version


@pytest.mark.parametrize("pruned", [True, False])
async def test_a_document_is_cited_again_when_it_has_been_read_anew(installation: Installation, pruned: bool) -> None:
    subject, vectors = installation.home.administrator, installation.tools.vectors
    accepted = await installation.upload(MARKDOWN, "back.md")
    await installation.work()
    before, points = await _readable(subject), await vectors.count(document_id=accepted.id)
    await service.delete_document(subject, accepted.id)
    if pruned:
        await installation.work()
        assert await vectors.count(document_id=accepted.id) == 0
    away = await _document_set(subject)
    (listed,) = (
        await service.list_documents(subject, installation.home.course.id, deleted=True, cursor=None, limit=9)
    ).items
    assert (listed.id, listed.purge_after is not None) == (accepted.id, True)

    document = await _restored(installation, accepted.id)

    assert (document.state, document.serving_version, document.purge_after) == ("queued", None, None)
    assert await _readable(subject) == []
    waiting = await _document_set(subject)
    assert waiting > away
    await installation.work()
    document = await service.get_document(subject, accepted.id)
    assert (document.state, document.serving_version, len(document.versions)) == ("ready", 1, 1)
    assert await _readable(subject) == before, "the very passages that old answers cite"
    assert await vectors.count(document_id=accepted.id) == points
    assert await _document_set(subject) > waiting
    again = await _restored(installation, accepted.id)
    assert (again.state, again.serving_version) == ("ready", 1), "a second time changes nothing"
    acts = await query.fetch_values("SELECT action FROM audit_log WHERE action = 'document.restored'")
    assert len(acts) == 1


async def test_a_version_that_was_being_read_is_read_too(installation: Installation) -> None:
    subject, objects = installation.home.administrator, installation.tools.objects
    document_id = await _deleted_document(installation)
    await _restored(installation, document_id)
    await installation.work()
    newer = received(installation.folder, b"# Newer\n\nWords of the second version.", "v2.md")
    await service.add_version(subject, objects, document_id, newer)
    await service.delete_document(subject, document_id)
    with pytest.raises(RemovalRunning):
        await _restored(installation, document_id)
    await query.execute(
        "UPDATE jobs SET state = 'cancelled' WHERE cancel_requested_at IS NOT NULL"
    )  # as the clock does

    await _restored(installation, document_id)
    await installation.work()

    document = await service.get_document(subject, document_id)
    assert (document.state, document.serving_version) == ("ready", 2)
    (passage,) = await service.passages_in_scope(await _readable(subject), await scope_for(subject))
    assert "second version" in passage.text


async def test_a_prune_that_runs_is_waited_for(installation: Installation) -> None:
    """It has seen the document as deleted and may take the new points too."""
    document_id = await _deleted_document(installation)
    await query.execute("UPDATE jobs SET state = 'running' WHERE kind = $1 AND state = 'queued'", PRUNE.name)

    with pytest.raises(RemovalRunning) as refused:
        await _restored(installation, document_id)

    assert refused.value.retry_after_seconds
    assert await query.fetch_value("SELECT deleted_at IS NOT NULL FROM documents WHERE id = $1", document_id)


async def test_the_same_file_uploaded_meanwhile_is_told(installation: Installation) -> None:
    document_id = await _deleted_document(installation)
    again = await installation.upload(MARKDOWN, "again.md")

    with pytest.raises(SameFileElsewhere, match=str(again.id)):
        await _restored(installation, document_id)

    assert await query.fetch_value("SELECT deleted_at IS NOT NULL FROM documents WHERE id = $1", document_id)


async def test_its_course_comes_first(installation: Installation) -> None:
    subject, course_id = installation.home.administrator, installation.home.course.id
    document_id = await _deleted_document(installation)
    await courses.delete_course(subject, course_id)

    with pytest.raises(ParentDeleted, match="course"):
        await _restored(installation, document_id)

    await academics.restore_course(subject, course_id)
    assert (await _restored(installation, document_id)).state == "queued"


async def test_what_is_purged_is_gone(installation: Installation) -> None:
    document_id = await _deleted_document(installation)
    await query.execute("UPDATE documents SET purge_after = now() WHERE id = $1", document_id)
    with pytest.raises(DocumentNotFound):
        await _restored(installation, document_id)
    assert await purge_deleted(installation.tools.objects, installation.tools.vectors) == 1
    with pytest.raises(DocumentNotFound):
        await _restored(installation, document_id)


async def test_a_course_is_searched_again_at_once_and_its_losses_are_mended(installation: Installation) -> None:
    """One document was left in the index, one was pruned, and the reading of one was stopped by the deletion."""
    subject, vectors = installation.home.administrator, installation.tools.vectors
    kept, lost = [await installation.upload(f"# T\n\nSheet {n} of the course.".encode(), f"{n}.md") for n in (1, 2)]
    await installation.work()
    before = await _readable(subject)
    stopped = await installation.upload(b"# Three\n\nSheet three comes late.", "3.md")
    await courses.delete_course(subject, installation.home.course.id)
    await installation.work()  # the ingestion finds no course
    await vectors.delete_document(lost.id)
    states = await query.fetch_values("SELECT state FROM document_versions ORDER BY created_at")
    assert (states, await _readable(subject)) == (["ready", "ready", "failed"], [])

    await academics.restore_course(subject, installation.home.course.id)

    assert await _readable(subject) == before
    assert await vectors.count(document_id=kept.id)
    await installation.work()
    for accepted in (kept, lost, stopped):
        document = await service.get_document(subject, accepted.id)
        assert (document.state, document.serving_version) == ("ready", 1)
        assert await vectors.count(document_id=accepted.id) == document.passages
    assert len(await _readable(subject)) == len(before) + 1
    jobs = await query.fetch_values("SELECT state FROM jobs WHERE kind = $1", COURSE_RESTORED.name)
    assert jobs == ["succeeded"]
    assert await query.fetch_value("SELECT count(*) FROM jobs WHERE kind = $1", INGEST.name) == 4
