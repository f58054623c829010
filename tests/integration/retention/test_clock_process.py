"""A real clock finds everything that is overdue, in one pass."""

import asyncio
from pathlib import Path

import pytest

from backend.academics import enrolments, places, service
from backend.chat import history
from backend.identity import people
from db import query
from db.repositories import audit
from tests import campus
from tests.integration.retention.conftest import World, converse, overdue, session_of
from tests.processes import process

pytestmark = pytest.mark.long

LEFT = """SELECT (SELECT count(*) FROM users WHERE deleted_at IS NOT NULL)
             + (SELECT count(*) FROM courses WHERE deleted_at IS NOT NULL)
             + (SELECT count(*) FROM documents) + (SELECT count(*) FROM chat_sessions) + (SELECT count(*) FROM enrolments)
             + (SELECT count(*) FROM faculties WHERE tenant_id = $1) + (SELECT count(*) FROM semesters WHERE tenant_id = $1)
             + (SELECT count(*) FROM audit_log) - (SELECT sum(entry_count) FROM audit_seals)"""
SECONDS = 40


async def test_the_clock_purges_and_seals_by_itself(world: World, tmp_path: Path) -> None:
    home = world.home
    document_id = await world.upload_for(home, b"# Gone\n\nNobody needs this any more.", "gone.md")
    await world.work()
    leaver = await campus.person(home.tenant, "leaver", "student")
    await enrolments.enrol(home.administrator, home.course.id, leaver.user_id)
    await converse(leaver, home.course.id, document_id)
    session_id = await session_of(await converse(home.administrator, home.course.id, document_id))
    await history.delete_session(home.administrator, session_id)
    await people.delete_person(home.administrator, leaver.user_id)
    await service.delete_course(home.administrator, home.course.id)
    await places.delete_faculty(home.administrator, home.place.faculty_id)
    for table, row_id in (
        ("users", leaver.user_id),
        ("courses", home.course.id),
        ("chat_sessions", session_id),
        ("semesters", home.place.semester_id),
        ("faculties", home.place.faculty_id),
    ):
        await overdue(table, row_id)

    with process("clock", world.settings, tmp_path) as clock:
        async with asyncio.timeout(SECONDS):
            while await query.fetch_value(LEFT, home.tenant.id) != 0:
                await asyncio.sleep(0.1)
        assert clock.stop() == 0

    assert await world.tools.objects.list(str(home.tenant.id)) == []
    assert await world.tools.vectors.count(document_id=document_id) == 0
    assert await audit.verify_seals() is None
    log = clock.log.read_text()
    assert "upkeep_failed" not in log
    assert all(event in log for event in ("people_purged", "documents_purged", "courses_removed", "audit_sealed"))
