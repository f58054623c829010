"""A dead ingestion that is started again: the document says so, and is read."""

import pytest

from actors.families import REGISTRY
from backend.app import create_app
from backend.documents import service
from backend.documents.jobs import INGEST
from backend.documents.schemas import Accepted
from backend.jobs import operations
from backend.jobs.errors import JobObsolete
from backend.jobs.retries import HOOKS
from backend.kit.subject import Subject
from db import query
from db.jobs import JobError
from db.repositories import claims, jobs
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id
from tests import campus
from tests import installation as installations
from tests.installation import Installation, received

installation = installations.installation

LOST = JobError(type="worker-lost", detail="The worker stopped.")


async def died(installation: Installation) -> tuple[Accepted, JobId]:
    """A document whose ingestion is dead, as the clock buries what its workers did not survive."""
    accepted = await installation.upload(b"# Twice\n\nThis is read at the second try.", "a.md")
    assert accepted.job_id is not None
    claim = await claims.claim(accepted.job_id, new_id(), 60)
    assert claim is not None
    async with unit_of_work() as uow:
        assert await jobs.fail(uow, claim, LOST, None) == "dead"
        await REGISTRY[INGEST.name].ended(uow, claim.ended(LOST))
    assert await state(installation, accepted) == "failed"
    return accepted, claim.job_id


async def state(installation: Installation, accepted: Accepted) -> str:
    return (await service.get_document(installation.home.administrator, accepted.id)).state


async def operator_of(installation: Installation) -> Subject:
    return await campus.person(installation.home.tenant, "oda", "ops")


async def test_the_document_waits_again_and_is_read(installation: Installation) -> None:
    operator, (accepted, job_id) = await operator_of(installation), await died(installation)
    assert (await operations.retry_job(operator, job_id)).state == "queued"
    document = await service.get_document(installation.home.administrator, accepted.id)
    assert (document.state, document.failure) == ("queued", None)
    of_version = "SELECT job_id FROM document_versions WHERE document_id = $1"
    assert await query.fetch_values(of_version, accepted.id) == [job_id]
    await installation.work()
    assert await state(installation, accepted) == "ready"
    assert (await operations.timeline(operator, job_id)).attempts[-1].outcome == "succeeded"
    acts = "SELECT action FROM audit_log WHERE action IN ('job.retried', 'document.reingested') AND user_id = $1 ORDER BY id"
    assert await query.fetch_values(acts, operator.user_id) == ["document.reingested", "job.retried"]


async def test_what_was_read_meanwhile_or_is_gone_is_not_read_again(installation: Installation) -> None:
    operator, administrator = await operator_of(installation), installation.home.administrator
    again, job_id = await died(installation)
    assert (await service.reingest(administrator, again.id)).job_id != job_id
    await installation.work()
    with pytest.raises(JobObsolete, match="meanwhile"):
        await operations.retry_job(operator, job_id)
    newer = received(installation.folder, b"# Newer\n\nNot the same.", "b.md")
    await service.add_version(administrator, installation.tools.objects, again.id, newer)
    with pytest.raises(JobObsolete, match="newer"):
        await operations.retry_job(operator, job_id)
    await service.delete_document(administrator, again.id)
    with pytest.raises(JobObsolete, match="deleted"):
        await operations.retry_job(operator, job_id)
    assert (await operations.timeline(operator, job_id)).job.state == "dead"


def test_whoever_is_told_of_an_end_says_what_its_retry_means() -> None:
    assert callable(create_app)  # its module loads all that the api knows
    assert {name for name, actor in REGISTRY.items() if actor.on_end is not None} == set(HOOKS)
