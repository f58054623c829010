"""Documents past their purge date, and uploads of the same bytes meanwhile."""

import asyncio
import hashlib
from typing import Any

import pytest

from backend.documents import reading, service, upkeep
from backend.documents.schemas import Accepted
from db import query
from tests import campus
from tests.installation import Installation

MARKDOWN = b"# Gradient descent\n\nGradient descent takes steps against the gradient of the loss.\n"


async def test_what_was_deleted_a_month_ago_is_destroyed(installation: Installation) -> None:
    home, objects = installation.home, installation.tools.objects
    other = await campus.course(home.administrator, home.place, "C2")
    twice = await installation.upload(MARKDOWN, "twice.md")
    kept = await installation.upload(MARKDOWN, "twice.md", course_id=other.id)
    once = await installation.upload(b"# Once\n\nNobody else has this.", "once.md")
    await installation.work()
    for document_id in (twice.id, once.id):
        await service.delete_document(home.administrator, document_id)
    assert await upkeep.purge_deleted(objects, installation.tools.vectors) == 0
    await query.execute("UPDATE documents SET purge_after = now() WHERE deleted_at IS NOT NULL")

    assert await upkeep.purge_deleted(objects, installation.tools.vectors) == 2
    assert await upkeep.purge_deleted(objects, installation.tools.vectors) == 0

    assert await query.fetch_values("SELECT DISTINCT document_id FROM passages") == [kept.id]
    left = await objects.list(str(home.tenant.id))
    hashes = {key.split("/")[2] for key in left}
    assert hashes == {hashlib.sha256(MARKDOWN).hexdigest()}
    assert (await reading.read_text(home.administrator, objects, kept.id, None)).text


async def test_bytes_uploaded_while_they_are_destroyed_are_there_afterwards(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, objects = installation.home, installation.tools.objects
    old = await installation.upload(MARKDOWN, "old.md")
    await installation.work()
    await service.delete_document(home.administrator, old.id)
    await query.execute("UPDATE documents SET purge_after = now() WHERE deleted_at IS NOT NULL")
    stored, destroying, hold = service._store, asyncio.Event(), asyncio.Event()

    async def store_then_wait(*args: Any) -> None:
        await stored(*args)
        destroying.set()
        await hold.wait()

    monkeypatch.setattr(service, "_store", store_then_wait)
    uploading = asyncio.create_task(installation.upload(MARKDOWN, "new.md"))
    await destroying.wait()  # the upload has seen the object and put nothing
    assert await upkeep.purge_deleted(objects, installation.tools.vectors) == 1
    assert await objects.list(str(home.tenant.id)) == []
    hold.set()
    new = await uploading
    monkeypatch.undo()
    await installation.work()
    assert (await service.get_document(home.administrator, new.id)).state == "ready"


async def test_the_purge_leaves_bytes_that_an_upload_is_about_to_commit(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, objects = installation.home, installation.tools.objects
    old = await installation.upload(MARKDOWN, "old.md")
    await installation.work()
    await service.delete_document(home.administrator, old.id)
    await query.execute("UPDATE documents SET purge_after = now() WHERE deleted_at IS NOT NULL")
    accept, held, hold = service._accept_version, asyncio.Event(), asyncio.Event()

    async def wait_then_accept(*args: Any) -> Accepted:
        held.set()
        await hold.wait()
        return await accept(*args)

    monkeypatch.setattr(service, "_accept_version", wait_then_accept)
    uploading = asyncio.create_task(installation.upload(MARKDOWN, "new.md"))
    await held.wait()
    purging = asyncio.create_task(upkeep.purge_deleted(objects, installation.tools.vectors))
    done, _ = await asyncio.wait([purging], timeout=0.5)
    assert not done
    hold.set()
    new = await uploading
    assert await purging == 1
    monkeypatch.undo()
    await installation.work()
    assert (await service.get_document(home.administrator, new.id)).state == "ready"
