"""A job whose row is held for a moment is claimed all the same: its message comes only once."""

import asyncio

from db import query
from db.repositories import claims
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id
from tests.integration.jobs.conftest import Someone
from tests.integration.jobs.test_job_table import WORK, Work

MOMENT_SECONDS = 0.2


async def test_a_claim_waits_for_whoever_notes_the_push(someone: Someone) -> None:
    async with unit_of_work() as uow:
        job_id = await uow.enqueue(WORK, Work(""), subject=someone)
    noted = asyncio.Event()

    async def note_push() -> None:
        async with unit_of_work():
            await query.execute("UPDATE jobs SET pushed_at = now() WHERE id = $1", job_id)
            noted.set()
            await asyncio.sleep(MOMENT_SECONDS)

    noting = asyncio.create_task(note_push())
    await noted.wait()
    claim = await claims.claim(job_id, new_id(), 5)
    await noting
    assert claim is not None
    assert claim.attempt == 1
