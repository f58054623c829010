"""The data folder: modes, secrets, the lock, versions newer than the program, folders that are somebody else's."""

import base64
import stat
from pathlib import Path

import pytest

from ops.local.addresses import complete
from ops.local.binaries import POSTGRES_MAJOR
from ops.local.data_folder import KEPT_LOGS, KEYS, LOG_BYTES, DataFolder, Versions
from ops.local.errors import AlreadyRunning, DataFolderUnusable
from ops.runtime.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    return folder


def test_secrets_are_made_once_and_for_nobody_else(folder: DataFolder) -> None:
    first = {name: folder.secret(name) for name in (*KEYS, "valkey")}
    again = DataFolder(folder.root)
    assert {name: again.secret(name) for name in first} == first
    assert len(set(first.values())) == len(first)
    for name in KEYS:
        assert len(base64.b64decode(first[name])) == 32
    for path in folder.secrets.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for private in (folder.secrets, folder.logs, folder.objects, folder.vectors):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.root.stat().st_mode) & 0o066 == 0


def test_production_makes_no_keys(folder: DataFolder) -> None:
    completed = complete(Settings(env="production", data_dir=folder.root), folder, {})
    assert (completed.signing_key, completed.master_key, completed.service_key) == ("", "", "")
    assert not list(folder.secrets.iterdir())


def test_what_is_set_is_kept(folder: DataFolder) -> None:
    given = Settings(data_dir=folder.root, database_url="postgresql://elsewhere/x", signing_key="mine")
    completed = complete(given, folder, {"postgres": 1, "valkey": 2, "vectors": 3, "gateway": 4})
    assert completed.database_url == "postgresql://elsewhere/x"
    assert completed.signing_key == "mine"
    assert completed.qdrant_url == "http://127.0.0.1:3"
    assert completed.redis_url.endswith("@127.0.0.1:2/0")
    assert completed.broker_url.endswith("@127.0.0.1:2/1")
    assert completed.object_store_url == f"file://{folder.objects}"


def test_one_owner_at_a_time(folder: DataFolder) -> None:
    with folder.lock(), pytest.raises(AlreadyRunning, match="already runs"), DataFolder(folder.root).lock():
        pytest.fail("two owners")
    with folder.lock():
        pass


def test_a_newer_postgresql_is_refused_with_a_sentence(folder: DataFolder) -> None:
    folder.write_versions(Versions(postgres_major=POSTGRES_MAJOR + 1))
    with pytest.raises(DataFolderUnusable, match=rf"PostgreSQL {POSTGRES_MAJOR + 1}.*use a newer Lyceum"):
        folder.versions()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(DataFolderUnusable, match="holds other files"):
        DataFolder(tmp_path).prepare()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    root = tmp_path / "shared"
    root.mkdir(mode=0o750)
    DataFolder(root).prepare()
    assert stat.S_IMODE(root.stat().st_mode) == 0o750


def test_a_file_in_its_place_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataFolderUnusable, match="cannot be used"):
        DataFolder(tmp_path / "data").prepare()


def test_a_large_log_is_set_aside_at_the_start(folder: DataFolder) -> None:
    for generation in range(KEPT_LOGS + 2):
        with folder.log_file("api").open("wb") as log:
            log.write(bytes([65 + generation]))
            log.truncate(LOG_BYTES + 1)
    kept = sorted(path.name for path in folder.logs.iterdir())
    assert kept == ["api.log", *(f"api.log.{number}" for number in range(1, KEPT_LOGS + 1))]
    assert (folder.logs / "api.log.1").read_bytes()[:1] == b"D"
