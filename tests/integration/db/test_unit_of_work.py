import asyncio

import asyncpg
import pytest

from db import query
from db.engine import ENGINE
from db.errors import DatabaseUnavailable, UniqueViolation
from db.repositories import audit, idempotency
from db.unit_of_work import NestedUnitOfWork, unit_of_work
from ops.runtime.ids import new_id
from tests.integration.jobs import conftest
from tests.integration.jobs.conftest import Someone
from tests.integration.jobs.test_job_table import WORK, Work
from tests.servers import Database

someone = conftest.someone


async def _audit_count() -> int:
    return int(await query.fetch_value("SELECT count(*) FROM audit_log"))


async def test_an_exception_leaves_nothing_behind(someone: Someone) -> None:
    with pytest.raises(ZeroDivisionError):
        async with unit_of_work() as uow:
            await uow.audit(someone, "thing.done")
            await uow.enqueue(WORK, Work("a"), subject=someone)
            raise ZeroDivisionError

    assert await _audit_count() == 0
    assert await query.fetch_value("SELECT count(*) FROM jobs") == 0
    assert ENGINE.current_transaction.get() is None


async def test_nesting_is_refused_and_the_outer_one_goes_on(someone: Someone) -> None:
    async with unit_of_work() as uow:
        with pytest.raises(NestedUnitOfWork):
            async with unit_of_work():
                pass
        await uow.audit(someone, "thing.done")

    assert await _audit_count() == 1


async def test_a_lost_server_frees_connection_and_context(someone: Someone, database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with unit_of_work():
            pid = await query.fetch_value("SELECT pg_backend_pid()")
            await _terminate(database, pid)
            await query.execute("SELECT 1")

    assert ENGINE.current_transaction.get() is None
    async with unit_of_work() as uow:
        await uow.audit(someone, "thing.done")
    assert await _audit_count() == 1


async def test_a_commit_that_fails_raises_and_frees_the_connection(someone: Someone, database: Database) -> None:
    for _ in range(12):  # more often than the pool has connections
        with pytest.raises(DatabaseUnavailable):
            async with unit_of_work() as uow:
                await uow.audit(someone, "thing.done")
                await _terminate(database, await query.fetch_value("SELECT pg_backend_pid()"))
    assert await _audit_count() == 0


async def test_unique_violations_name_their_constraint(someone: Someone) -> None:
    with pytest.raises(UniqueViolation) as raised:
        await query.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, 'one', 'Two')", new_id())
    assert raised.value.constraint == "tenants_slug_key"


async def test_after_commit_runs_only_after_a_commit(someone: Someone) -> None:
    ran: list[str] = []

    async def note() -> None:
        ran.append("x")

    with pytest.raises(ZeroDivisionError):
        async with unit_of_work() as uow:
            uow.after_commit(note)
            raise ZeroDivisionError
    assert ran == []

    async with unit_of_work() as uow:
        uow.after_commit(note)
        assert ran == []
    assert ran == ["x"]


async def test_a_live_dedupe_key_gives_the_same_job(someone: Someone) -> None:
    async with unit_of_work() as uow:
        first = await uow.enqueue(WORK, Work("same"), subject=someone)
        second = await uow.enqueue(WORK, Work("same"), subject=someone)
        other = await uow.enqueue(WORK, Work(""), subject=someone)
    assert first == second
    assert other != first


async def test_audit_seals_find_a_changed_a_missing_and_an_added_entry(someone: Someone, database: Database) -> None:
    for number in range(5):
        async with unit_of_work() as uow:
            await uow.audit(someone, "thing.done", {"number": number})
        if number == 2:
            async with unit_of_work() as uow:
                assert await audit.seal_batch(uow) == 3
    async with unit_of_work() as uow:
        assert await audit.seal_batch(uow) == 2
        assert await audit.seal_batch(uow) == 0
    assert await audit.verify_seals() is None

    owner = await asyncpg.connect(database.owner_url)
    first = "(SELECT id FROM audit_log ORDER BY transaction_id, id LIMIT 1)"
    for tamper in (
        f"UPDATE audit_log SET metadata = '{{}}' WHERE id = {first}",
        f"DELETE FROM audit_log WHERE id = {first}",
        f"""INSERT INTO audit_log SELECT gen_random_uuid(), timestamp, tenant_id, service_name, user_id, 'forged', metadata,
            sealed, request_id, transaction_id FROM audit_log WHERE id = {first}""",
    ):
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute(tamper)
        await transaction.commit()
        assert await audit.verify_seals() == 1, tamper
        await owner.execute("DELETE FROM audit_log WHERE action = 'forged'")
    await owner.close()


async def test_an_open_transaction_holds_back_the_seal(someone: Someone, database: Database) -> None:
    slow = await asyncpg.connect(database.url)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute("SELECT pg_current_xact_id()")
    async with unit_of_work() as uow:
        await uow.audit(someone, "later.done")
    async with unit_of_work() as uow:
        assert await audit.seal_batch(uow) == 0
    await transaction.commit()
    await slow.close()
    async with unit_of_work() as uow:
        assert await audit.seal_batch(uow) == 1


async def test_an_idempotency_key_answers_once(someone: Someone) -> None:
    user = new_id()
    await query.execute(
        "INSERT INTO users (id, tenant_id, email, email_normalised, display_name) VALUES ($1, $2, 'a@b', 'a@b', 'A')",
        user,
        someone.tenant_id,
    )
    begun = await asyncio.gather(*(idempotency.begin("k", user, "POST /x", b"1") for _ in range(6)))
    assert sorted(begun) == ["begun"] + ["running"] * 5
    assert await idempotency.begin("k", user, "POST /x", b"2") == "other-body"
    await idempotency.finish("k", user, "POST /x", 201, {"location": "/x/1"}, b"{}")
    stored = await idempotency.begin("k", user, "POST /x", b"1")
    assert isinstance(stored, idempotency.StoredAnswer)
    assert (stored.status, stored.body) == (201, b"{}")


async def _terminate(database: Database, pid: int) -> None:
    session = await asyncpg.connect(database.url)
    await session.execute("SELECT pg_terminate_backend($1)", pid)
    await session.close()
