"""Who was deleted a month ago is gone, and what they wrote can be read by nobody; the log of acts stays whole."""

from uuid import UUID

import asyncpg
import pytest

from backend.academics import enrolments
from backend.chat import history
from backend.identity import keys, people, sessions
from backend.identity.authentication import authenticate
from backend.identity.errors import PersonKeyDestroyed
from backend.identity.upkeep import purge_people
from backend.kit.subject import Subject
from db import query
from db.errors import ForeignKeyViolation
from db.repositories import audit, idempotency, retention
from db.unit_of_work import unit_of_work
from ops.runtime.crypto import unseal
from tests import campus
from tests.installation import Home
from tests.integration.retention.conftest import QUESTION, World, converse, overdue
from tests.servers import Database

SEALED = "SELECT sealed FROM audit_log WHERE action = 'chat.asked' AND user_id = $1"


async def _student(home: Home, name: str) -> Subject:
    """Somebody with something in every table that knows people."""
    person = await campus.person(home.tenant, name, "student")
    await enrolments.enrol(home.administrator, home.course.id, person.user_id)
    opened = await campus.sign_in(person.user_id)
    await sessions.issue_ticket(await authenticate(bearer=opened.tokens().access_token))
    await idempotency.begin("key", person.user_id, "POST /x", b"1")
    await converse(person, home.course.id)
    return person


async def _rows_of(user_id: UUID) -> dict[str, int]:
    """How many rows each table has for that person."""
    tables = await query.fetch_values(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'user_id' AND table_schema = 'public'"
    )
    counts = {
        name: await query.fetch_value(f"SELECT count(*) FROM {name} WHERE user_id = $1", user_id) for name in tables
    }
    counts["users"] = await query.fetch_value("SELECT count(*) FROM users WHERE id = $1", user_id)
    return {name: count for name, count in counts.items() if count}


async def test_a_purged_person_leaves_nothing_but_acts_that_nobody_can_read(world: World) -> None:
    home = world.home
    leaver, stayer = await _student(home, "sam"), await _student(home, "kim")
    foreigner = await _student(world.away, "sam")
    await people.delete_person(home.administrator, leaver.user_id)
    assert await purge_people() == 0
    before = {who.user_id: await _rows_of(who.user_id) for who in (leaver, stayer, foreigner)}
    assert set(before[leaver.user_id]) >= {"users", "enrolments", "grants", "auth_sessions", "one_time_tokens"}
    assert set(before[leaver.user_id]) >= {"chat_sessions", "chat_turns", "idempotency_keys", "audit_log"}
    sealed = await query.fetch_value(SEALED, leaver.user_id)
    associated = b"audit\x00" + leaver.user_id.bytes
    assert unseal(await keys.person_key(leaver.user_id), sealed, associated).decode() == QUESTION
    async with unit_of_work() as uow:
        assert await audit.seal_batch(uow)

    await overdue("users", leaver.user_id)
    assert await purge_people() == 1
    assert await purge_people() == 0

    assert await _rows_of(leaver.user_id) == {"audit_log": before[leaver.user_id]["audit_log"]}
    assert await query.fetch_value(SEALED, leaver.user_id) == sealed
    keys._known.clear()  # as a minute does
    with pytest.raises(PersonKeyDestroyed):
        await keys.person_key(leaver.user_id)
    async with unit_of_work() as uow:
        assert await audit.seal_batch(uow)
    assert await audit.verify_seals() is None
    for who in (stayer, foreigner):
        assert await _rows_of(who.user_id) == before[who.user_id]
        (row,) = (await history.list_sessions(who, cursor=None, limit=9)).items
        assert row.title == QUESTION
    purged = await query.fetch_values("SELECT metadata->>'user_id' FROM audit_log WHERE action = 'person.purged'")
    assert purged == [str(leaver.user_id)]


async def test_who_is_recovered_in_time_is_not_purged(world: World) -> None:
    person = await _student(world.home, "sam")
    await people.delete_person(world.home.administrator, person.user_id)
    await overdue("users", person.user_id)
    (due,) = await retention.due_people(9)
    await query.execute("UPDATE users SET deleted_at = NULL, purge_after = NULL WHERE id = $1", person.user_id)
    async with unit_of_work() as uow:
        assert not await retention.purge_person(uow, due.id)
    assert (await history.list_sessions(person, cursor=None, limit=9)).items


async def test_a_purge_that_fails_half_way_leaves_all_of_the_person_and_completes_later(
    world: World, database: Database
) -> None:
    stuck, free = await _student(world.home, "sam"), await _student(world.home, "kim")
    for each in (stuck, free):
        await people.delete_person(world.home.administrator, each.user_id)
        await overdue("users", each.user_id)
    before = await _rows_of(stuck.user_id)
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("CREATE TABLE pins (pinned uuid REFERENCES users (id))")
    await owner.execute("INSERT INTO pins VALUES ($1)", stuck.user_id)

    with pytest.raises(ForeignKeyViolation):
        await purge_people()

    assert await _rows_of(stuck.user_id) == before
    assert set(await _rows_of(free.user_id)) == {"audit_log"}
    await owner.execute("DROP TABLE pins")
    await owner.close()
    assert await purge_people() == 1
    assert set(await _rows_of(stuck.user_id)) == {"audit_log"}
