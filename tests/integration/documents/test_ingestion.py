"""From bytes to passages that can be found."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
import pytest

from backend.academics import service as academics
from backend.academics.schemas import CourseChange
from backend.academics.service import scope_for
from backend.documents import ingestion, reading, reindexing, service
from backend.documents.errors import IngestionRunning
from backend.documents.failures import INTERRUPTED
from backend.documents.jobs import INGEST, PRUNE
from backend.documents.schemas import Accepted
from backend.errors import NotFound
from backend.jobs import service as job_service
from backend.jobs.errors import JobNotCancellable
from db import query
from inference_gateway.cache.answers import AnswerCache
from inference_gateway.contract import ChatDelta, ModelInfo
from inference_gateway.ports import CachedAnswer
from rag.parse import sentence
from rag.store import Collection, PassagePoint, VectorStoreUnavailable
from tests import campus
from tests.installation import Installation, received

KEPT = CachedAnswer(deltas=(ChatDelta(text="Take steps.", finish_reason="stop"),), model="m", upstream="u")
MARKDOWN = """# Gradient descent

Gradient descent takes steps against the gradient of the loss. The learning rate says how long a step is.

## Momentum

Momentum keeps a running average of past gradients, which carries the iterate through flat regions of the loss.

# الاحتمالات

نظرية بايز تربط بين الاحتمال الشرطي والاحتمال القبلي. نستخدمها لتحديث الاعتقاد عند ظهور دليل جديد.
""".encode()


async def test_markdown_becomes_ready(installation: Installation) -> None:
    accepted = await installation.upload(MARKDOWN, "week 1.md")
    assert accepted.state == "queued"

    await installation.work()

    document = await service.get_document(installation.home.administrator, accepted.id)
    assert (document.state, document.serving_version, document.failure) == ("ready", 1, None)
    assert document.title == "week 1"
    scope = await scope_for(installation.home.administrator)
    ids: list[UUID] = await query.fetch_values("SELECT id FROM passages ORDER BY ordinal")
    found = await service.passages_in_scope(ids, scope)
    text = (
        await reading.read_text(installation.home.administrator, installation.tools.objects, accepted.id, None)
    ).text
    assert [passage.passage_id for passage in found] == ids
    assert all(passage.text == text[passage.char_start : passage.char_end] for passage in found)
    assert await installation.tools.vectors.count(scope, document_id=accepted.id) == len(ids) == document.passages
    assert document.passages_without_dense == sum(passage.language != "en" for passage in found)
    assert document.passages_without_dense


async def _points(installation: Installation, document_id: UUID) -> int:
    return await installation.tools.vectors.count(document_id=document_id)


async def test_a_new_version_serves_only_when_it_is_ready_and_then_alone(installation: Installation) -> None:
    subject, objects = installation.home.administrator, installation.tools.objects
    first = await installation.upload(MARKDOWN, "v1.md")
    await installation.work()
    old_set = (await scope_for(subject)).courses[0].document_set_version
    old_ids = await query.fetch_values("SELECT id FROM passages")

    new_file = received(installation.folder, b"# Fresh\n\nOnly new words stand in this version.", "v2.md")
    second, new = await service.add_version(subject, objects, first.id, new_file)
    assert (new, second.version) == (True, 2)
    scope = await scope_for(subject)
    assert len(await service.passages_in_scope(old_ids, scope)) == len(old_ids)

    await installation.work()

    document = await service.get_document(subject, first.id)
    assert (document.serving_version, document.latest_version, document.state) == (2, 2, "ready")
    scope = await scope_for(subject)
    assert scope.courses[0].document_set_version > old_set
    assert await service.passages_in_scope(old_ids, scope) == []
    (passage,) = await service.passages_in_scope(await query.fetch_values("SELECT id FROM passages"), scope)
    assert passage.version == 2
    assert await _points(installation, first.id) == 1


async def test_a_failed_new_version_leaves_the_old_one_serving(installation: Installation) -> None:
    subject, objects = installation.home.administrator, installation.tools.objects
    first = await installation.upload(MARKDOWN, "v1.md")
    await installation.work()
    before = await _points(installation, first.id)
    broken = received(installation.folder, b"%PDF-1.7\nnothing of a PDF follows", "v2.pdf")
    await service.add_version(subject, objects, first.id, broken)
    await installation.work()
    document = await service.get_document(subject, first.id)
    assert (document.state, document.serving_version, document.latest_version) == ("failed", 1, 2)
    assert document.failure is not None
    assert document.failure.type == "unreadable"
    assert await _points(installation, first.id) == before


async def test_a_deleted_document_is_gone_at_once_and_its_points_soon(installation: Installation) -> None:
    subject = installation.home.administrator
    accepted = await installation.upload(MARKDOWN, "gone.md")
    await installation.work()
    ids = await query.fetch_values("SELECT id FROM passages")
    before = await scope_for(subject)

    await service.delete_document(subject, accepted.id)

    assert await _points(installation, accepted.id) > 0  # the index still proposes them
    assert (
        await service.passages_in_scope(ids, before) == []
    )  # and Postgres has the last word, whatever scope is cached
    assert (await scope_for(subject)).courses[0].document_set_version > before.courses[0].document_set_version
    assert installation.tools.redis is not None
    answers = AnswerCache(installation.tools.redis, b"k" * 32)
    await answers.put("response:1", KEPT, (f"document:{accepted.id}",))
    await answers.put("response:2", KEPT, ("document:another",))
    await installation.work()
    assert await _points(installation, accepted.id) == 0
    assert await answers.get("response:1") is None
    assert await answers.get("response:2") == KEPT


async def test_a_document_deleted_while_it_is_read_leaves_nothing(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = installation.home.administrator
    accepted = await installation.upload(MARKDOWN, "gone.md")
    upsert = installation.tools.vectors.upsert

    async def upsert_then_delete(points: Sequence[PassagePoint], *, wait: bool = True) -> None:
        await upsert(points, wait=wait)
        await service.delete_document(subject, accepted.id)

    monkeypatch.setattr(installation.tools.vectors, "upsert", upsert_then_delete)
    await installation.work()
    assert await _job_state(accepted) == "cancelled"
    await installation.work()
    assert await _points(installation, accepted.id) == 0
    assert await query.fetch_value("SELECT count(*) FROM audit_log WHERE action = 'document.ready'") == 0


async def test_the_same_bytes_in_another_course_are_another_document_that_reuses_the_work(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = installation.home
    other = await campus.course(home.administrator, home.place, "C2")
    first = await installation.upload(MARKDOWN, "a.md")
    await installation.work()

    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this was made before")

    monkeypatch.setattr(ingestion, "parse_document", refuse)
    monkeypatch.setattr(installation.tools.gateway, "embed", refuse)
    second = await installation.upload(MARKDOWN, "a.md", course_id=other.id)
    await installation.work()
    assert second.id != first.id
    document = await service.get_document(home.administrator, second.id)
    assert (document.state, document.course_id) == ("ready", other.id)
    assert await _points(installation, second.id) == await _points(installation, first.id) > 0


async def test_a_course_that_moves_takes_its_points_along(installation: Installation) -> None:
    home = installation.home
    await installation.upload(MARKDOWN, "a.md")
    await installation.work()
    elsewhere = await campus.place(home.administrator, "ART")
    before = await installation.tools.vectors.count(await scope_for(home.administrator))
    change = CourseChange(faculty_id=elsewhere.faculty_id, semester_id=elsewhere.semester_id)
    await academics.change_course(home.administrator, home.course.id, change)
    assert await installation.tools.vectors.count(await scope_for(home.administrator)) == 0
    await installation.work()
    assert await installation.tools.vectors.count(await scope_for(home.administrator)) == before > 0


async def test_a_course_that_moves_while_a_document_is_indexed(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = installation.home
    accepted = await installation.upload(MARKDOWN, "a.md")
    elsewhere = await campus.place(home.administrator, "ART")
    change = CourseChange(faculty_id=elsewhere.faculty_id, semester_id=elsewhere.semester_id)
    ensure = installation.tools.vectors.ensure_collection

    async def move_first(model: str, dimensions: int) -> Collection:
        await academics.change_course(home.administrator, home.course.id, change)
        monkeypatch.undo()
        return await ensure(model, dimensions)

    monkeypatch.setattr(installation.tools.vectors, "ensure_collection", move_first)
    await installation.work()
    await query.execute("UPDATE jobs SET retry_at = now() WHERE state = 'waiting'")
    await installation.work()
    assert (await service.get_document(home.administrator, accepted.id)).state == "ready"
    assert await installation.tools.vectors.count(await scope_for(home.administrator)) == await _points(
        installation, accepted.id
    )


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("nothing.txt", b"", "empty"),
        ("zero.pdf", b"", "empty"),
        ("blank.md", b" \n\n \t\n", "empty"),
        ("picture.pdf", b"\x89PNG\r\n\x1a\n" + bytes(64), "type-mismatch"),
        ("program.exe", b"MZ" + bytes(200), "unsupported"),
        ("notes.xyz", b"plain words", "unsupported"),
        ("half.docx", b"PK\x03\x04" + bytes(100), "unreadable"),
    ],
)
async def test_hostile_files_end_as_failed_with_a_sentence(
    installation: Installation, name: str, data: bytes, expected: str
) -> None:
    accepted = await installation.upload(data, name)
    await installation.work()
    document = await service.get_document(installation.home.administrator, accepted.id)
    assert document.state == "failed"
    assert document.failure is not None
    assert (document.failure.type, document.failure.detail) == (expected, sentence(document.failure.type, "en"))
    assert await _job_state(accepted) == "dead"
    assert await query.fetch_value("SELECT attempt FROM jobs WHERE id = $1", accepted.job_id) == 1
    assert await query.fetch_value("SELECT count(*) FROM passages") == 0


async def test_a_refused_file_under_its_right_name_is_read_after_all(installation: Installation) -> None:
    refused = await installation.upload(MARKDOWN, "week-1.xyz")
    await installation.work()
    assert (await service.get_document(installation.home.administrator, refused.id)).state == "failed"
    renamed = await installation.upload(MARKDOWN, "week-1.md")
    assert (renamed.id, renamed.state) == (refused.id, "queued")
    await installation.work()
    document = await service.get_document(installation.home.administrator, refused.id)
    assert (document.state, document.file_name) == ("ready", "week-1.md")


async def test_a_document_that_failed_for_our_reasons_says_so_and_can_be_read_again(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = installation.home.administrator
    accepted = await installation.upload(MARKDOWN, "a.md")

    async def away(*_: object, **__: object) -> None:
        raise VectorStoreUnavailable("no answer")

    monkeypatch.setattr(installation.tools.vectors, "ensure_collection", away)
    for _ in range(INGEST.retry.max_attempts):
        await query.execute("UPDATE jobs SET retry_at = now() WHERE state = 'waiting'")
        await installation.work()
    monkeypatch.undo()
    document = await service.get_document(subject, accepted.id)
    assert document.failure is not None
    assert (document.failure.type, document.failure.detail) == ("timeout", INTERRUPTED["en"])
    await installation.work()
    assert await query.fetch_value("SELECT count(*) FROM passages") == 0  # what was half done is cleaned up

    with pytest.raises(NotFound):
        await service.get_document(msgspec.structs.replace(subject, grants=()), accepted.id)
    again = await service.reingest(subject, accepted.id)
    with pytest.raises(IngestionRunning):
        await service.reingest(subject, accepted.id)
    await installation.work()
    document = await service.get_document(subject, accepted.id)
    assert (again.version, document.state, document.serving_version) == (1, "ready", 1)


async def test_reading_a_ready_document_again_makes_a_version_beside_the_one_that_serves(
    installation: Installation,
) -> None:
    subject = installation.home.administrator
    accepted = await installation.upload(MARKDOWN, "a.md")
    await installation.work()
    again = await service.reingest(subject, accepted.id)
    assert again.version == 2
    assert (await service.get_document(subject, accepted.id)).serving_version == 1
    await installation.work()
    document = await service.get_document(subject, accepted.id)
    assert (document.state, document.serving_version) == ("ready", 2)
    same = await installation.upload(MARKDOWN, "a.md")
    assert (same.id, same.version) == (accepted.id, 2)


async def test_an_index_that_was_lost_is_made_again(installation_alone: Installation) -> None:
    installation = installation_alone
    accepted = await installation.upload(MARKDOWN, "a.md")
    await installation.work()
    complete = await _points(installation, accepted.id)
    await installation.tools.vectors.delete_document(accepted.id)
    assert await reindexing.keep_index(installation.tools) == 1
    await installation.work()
    assert await _points(installation, accepted.id) == complete > 0


async def test_another_embedder_gets_vectors_of_its_own(
    installation_alone: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = installation_alone
    subject, gateway = installation.home.administrator, installation.tools.gateway
    accepted = await installation.upload(MARKDOWN, "a.md")
    await installation.work()
    before = await service.get_document(subject, accepted.id)
    info = await gateway.model_info()

    async def other_model() -> ModelInfo:
        return msgspec.structs.replace(info, embedder="another", languages=("*",))

    monkeypatch.setattr(gateway, "model_info", other_model)
    assert await reindexing.keep_index(installation.tools) == 1
    assert await _points(installation, accepted.id) == 0  # searches read the new collection
    await installation.work()
    after = await service.get_document(subject, accepted.id)
    assert before.passages_without_dense
    assert (after.passages_without_dense, after.serving_version) == (0, 1)
    assert await _points(installation, accepted.id) == after.passages
    assert await reindexing.keep_index(installation.tools) == 0


async def test_who_lost_the_right_meanwhile_changes_nothing(installation: Installation) -> None:
    home = installation.home
    lecturer = await campus.person(home.tenant, "lecturer", "academic")
    accepted = await installation.upload(MARKDOWN, "a.md", subject=lecturer)
    await query.execute("UPDATE grants SET deleted_at = now() WHERE user_id = $1", lecturer.user_id)
    await installation.work()
    assert await _job_state(accepted) == "dead"
    document = await service.get_document(home.administrator, accepted.id)
    assert (document.state, document.serving_version) == ("failed", None)


async def test_upkeep_cannot_be_cancelled_by_who_caused_it(installation: Installation) -> None:
    subject = installation.home.administrator
    accepted = await installation.upload(MARKDOWN, "a.md")
    assert accepted.job_id is not None
    assert (await job_service.cancel_job(subject, accepted.job_id)).cancel_requested
    await service.delete_document(subject, accepted.id)
    prune = await query.fetch_value("SELECT id FROM jobs WHERE kind = $1", PRUNE.name)
    with pytest.raises(JobNotCancellable):
        await job_service.cancel_job(subject, prune)
    assert not (await job_service.get_job(subject, prune)).cancel_requested


async def _job_state(accepted: Accepted) -> str:
    return str(await query.fetch_value("SELECT state FROM jobs WHERE id = $1", accepted.job_id))
