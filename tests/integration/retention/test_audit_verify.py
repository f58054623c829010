"""`lyceum audit verify` holds over the acts of all tenants, and names the first entry that somebody with the owner's
rights has touched."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import pytest

from db import query
from db.engine import close_database, open_pool
from db.repositories import audit
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id
from tests.servers import Database

ROOT = Path(__file__).parents[3]
PER_SEAL = 4


class Someone(msgspec.Struct):
    tenant_id: UUID
    user_id: UUID | None = None


@dataclass(frozen=True)
class Log:
    """Three seals of four entries, of two tenants in turn, and two entries that are not sealed yet."""

    database: Database
    entries: list[UUID]

    async def as_owner(self, *statements: str) -> None:
        """Do what the program's own role may not."""
        owner = await asyncpg.connect(self.database.owner_url)
        async with owner.transaction():
            for statement in statements:
                await owner.execute(statement)
        await owner.close()

    async def verify(self, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run the command as an operator does."""
        environment = {
            "PATH": os.environ["PATH"],
            "LYCEUM_DATA_DIR": str(folder / "data"),
            "DATABASE_URL": self.database.url,
        }
        command = [sys.executable, "-m", "ops.cli.main", "audit", "verify"]
        return await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
async def log(database: Database) -> AsyncIterator[Log]:
    await open_pool(database.url)
    people = [Someone(new_id()), Someone(new_id())]
    for number in range(3 * PER_SEAL + 2):
        async with unit_of_work() as uow:
            await uow.audit(people[number % 2], "thing.done", {"number": number}, sealed=bytes([number]))
        if number % PER_SEAL == PER_SEAL - 1:
            async with unit_of_work() as uow:
                assert await audit.seal_batch(uow) == PER_SEAL
    entries = await query.fetch_values("SELECT id FROM audit_log ORDER BY transaction_id, id")
    yield Log(database, entries)
    await close_database()


async def test_an_untouched_log_holds(log: Log, tmp_path: Path) -> None:
    done = await log.verify(tmp_path)
    assert done.returncode == 0, done.stderr
    newest = await query.fetch_value("SELECT hash FROM audit_seals WHERE number = 3")
    assert "3 seals over 12 entries hold; 2 entries are not sealed yet" in done.stdout
    assert f"seal 3: {newest.hex()}" in done.stdout
    assert "12/12" in done.stdout


async def test_an_empty_log_holds(log: Log, tmp_path: Path) -> None:
    await log.as_owner("DELETE FROM audit_seals", "DELETE FROM audit_log")
    done = await log.verify(tmp_path)
    assert (done.returncode, "0 seals over 0 entries hold; 0 entries" in done.stdout) == (0, True), done.stderr


async def test_the_command_fails_with_a_sentence_that_names_the_entry(log: Log, tmp_path: Path) -> None:
    for touched in (log.entries[9], log.entries[6]):  # the first one is named
        await log.as_owner(f"UPDATE audit_log SET metadata = '{{\"number\": 99}}' WHERE id = '{touched}'")
    done = await log.verify(tmp_path)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"Error: the audit log does not hold at seal 2: entry {log.entries[6]} (thing.done, ")
    assert sentence.endswith("UTC) was changed or added")
    assert "hold;" not in done.stdout


FORGED = """INSERT INTO audit_log SELECT gen_random_uuid(), timestamp, tenant_id, service_name, user_id, 'forged', metadata,
            sealed, request_id, transaction_id FROM audit_log WHERE id = '{0[5]}'"""


@pytest.mark.parametrize(
    ("statement", "seal", "fault"),
    [
        ("UPDATE audit_log SET action = 'x' WHERE id = '{0[5]}'", 2, "entry {0[5]} (x, "),
        ("UPDATE audit_log SET tenant_id = gen_random_uuid() WHERE id = '{0[0]}'", 1, "entry {0[0]} (thing.done, "),
        ("UPDATE audit_log SET sealed = NULL WHERE id = '{0[11]}'", 3, "entry {0[11]} (thing.done, "),
        ("UPDATE audit_log SET timestamp = now() WHERE id = '{0[4]}'", 2, "entry {0[4]} (thing.done, "),
        ("DELETE FROM audit_log WHERE id = '{0[5]}'", 2, "an entry is missing before entry {0[6]} ("),
        ("DELETE FROM audit_log WHERE id = '{0[7]}'", 2, "1 entries are missing up to entry {0[7]}"),
        (FORGED, 2, "(forged, "),
        ("UPDATE audit_seals SET hash = sha256('x') WHERE number = 2", 2, "the seal itself was changed"),
        ("UPDATE audit_seals SET previous_hash = sha256('x') WHERE number = 3", 3, "it does not continue the seal"),
        ("DELETE FROM audit_seals WHERE number = 2", 3, "seal 2 is missing"),
    ],
)
async def test_each_way_to_tamper_is_found_and_named(log: Log, statement: str, seal: int, fault: str) -> None:
    await log.as_owner(statement.format(log.entries))
    *held, broken = [check async for check in audit.check_seals()]
    assert (broken.number, [check.fault for check in held]) == (seal, [""] * len(held))
    assert fault.format(log.entries) in broken.fault
    assert await audit.verify_seals() == seal


async def test_a_seal_from_before_the_digests_names_where_it_ends(log: Log) -> None:
    await log.as_owner("UPDATE audit_seals SET entry_digests = NULL")
    assert await audit.verify_seals() is None
    await log.as_owner(f"DELETE FROM audit_log WHERE id = '{log.entries[5]}'")
    *_, broken = [check async for check in audit.check_seals()]
    assert broken.fault == f"one of its 4 entries up to {log.entries[7]} was changed, added or removed"
