"""Whether the local database already has this program's schema; asking costs one query instead of an import of the ORM."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import msgspec

from ops.local.data_folder import DataFolder
from ops.local.postgres import DATABASE, PostgresFailed, PostgresServer

LATEST_SQL = "SELECT max(name) FROM migration;"


def program_digest() -> str:
    """Return a digest of everything that `lyceum migrate` would apply."""
    spec = find_spec("db")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0])
    files = [folder / "migrate.py", *sorted((folder / "migrations").glob("*.py"))]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def is_current(folder: DataFolder, server: PostgresServer, port: int) -> bool:
    """Tell whether this very program brought the database to the schema that it has now."""
    versions = folder.versions()
    if versions.migrations_digest != program_digest():
        return False
    try:
        return server.execute(port, LATEST_SQL, database=DATABASE) == versions.schema
    except PostgresFailed:  # a cluster made anew beside an old record has no such table
        return False


def record(folder: DataFolder, server: PostgresServer, port: int) -> None:
    """Write down which schema the database has now, who brought it there, and which PostgreSQL keeps it."""
    schema = server.execute(port, LATEST_SQL, database=DATABASE)
    fresh = {"postgres_major": server.major_version(), "schema": schema, "migrations_digest": program_digest()}
    folder.write_versions(msgspec.structs.replace(folder.versions(), **fresh))
