"""The supervisor with real servers: order, crash of a server, kill -9 of itself, another user's folder modes."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from ops.local.data_folder import DataFolder
from ops.local.ports import free_port
from ops.local.processes import Identity, identify, is_alive
from ops.local.records import Process, Running, read_running, write_running

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("servers_only.py")
START_SECONDS = 30.0


class Run:
    """One supervisor in a process of its own; `ready` waits and keeps the addresses."""

    def __init__(self, folder: Path, *, port: int = 0, prefix: tuple[str, ...] = ()) -> None:
        self.folder = DataFolder(folder)
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(SCRIPT), str(folder), str(port or free_port())],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.lines: list[str] = []
        self.database_url = self.redis_url = ""

    def ready(self) -> None:
        self.until("ready")
        _, self.database_url, self.redis_url = self.lines[-1].split()

    def until(self, start: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith(start):
                return
        pytest.fail(f"never printed {start!r}:\n" + "\n".join(self.lines))

    def end(self, number: int = signal.SIGTERM) -> list[str]:
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=START_SECONDS)
        return output.splitlines()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(folder: Path | None = None, *, port: int = 0, prefix: tuple[str, ...] = ()) -> Run:
        runs.append(Run(folder or tmp_path / "data", port=port, prefix=prefix))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.terminate()
        run.process.communicate(timeout=START_SECONDS)


async def _insert(url: str, value: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        await connection.execute("INSERT INTO kept VALUES ($1)", value)
    finally:
        await connection.close()


async def _kept(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    try:
        return [row["value"] for row in await connection.fetch("SELECT value FROM kept ORDER BY value")]
    finally:
        await connection.close()


def _wait_until_gone(run: Run) -> list[str]:
    """Return the recorded processes that outlive their supervisor by 5 s."""
    deadline = time.monotonic() + 5
    processes = read_running(run.folder).processes
    while (alive := [p.name for p in processes if is_alive(p.identity)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_cleanly(start: Callable[..., Run], number: int) -> None:
    run = start()
    run.ready()
    processes = read_running(run.folder).processes
    assert [p.name for p in processes] == ["valkey", "postgres"]
    assert run.end(number)[-1] == "end"
    assert run.process.returncode == 0
    assert not [p.name for p in processes if is_alive(p.identity)]
    assert "database system is shut down" in (run.folder.logs / "postgres.log").read_text()
    assert read_running(run.folder).supervisor is None


async def test_kill_9_of_the_supervisor_leaves_no_orphans_and_loses_no_rows(start: Callable[..., Run]) -> None:
    first = start()
    first.ready()
    await _insert(first.database_url, 1)
    redis.Redis.from_url(first.redis_url).set("kept", "1")
    time.sleep(1.1)  # the append-only file is synced every second
    first.process.kill()
    assert _wait_until_gone(first) == []
    second = start()
    second.ready()
    assert await _kept(second.database_url) == [1]
    assert redis.Redis.from_url(second.redis_url).get("kept") == b"1"


def test_what_a_killed_run_left_is_stopped_and_a_stranger_with_a_reused_pid_is_not(start: Callable[..., Run]) -> None:
    run = start()
    run.ready()
    run.end()
    with subprocess.Popen(["sleep", "60"]) as leftover, subprocess.Popen(["sleep", "60"]) as stranger:
        ours, other = identify(leftover.pid), identify(stranger.pid)
        assert ours is not None
        assert other is not None
        reused = Identity(stranger.pid, other.started.replace(":", ":1"))
        write_running(
            run.folder,
            Running(processes=[Process(name="left", identity=ours), Process(name="reused", identity=reused)]),
        )
        again = start()
        again.ready()
        assert again.lines[0] == "leftovers left"
        assert leftover.wait(timeout=5) == -signal.SIGTERM
        assert stranger.poll() is None
        stranger.kill()


async def test_a_crashed_server_is_started_again_with_its_rows(start: Callable[..., Run]) -> None:
    run = start()
    run.ready()
    await _insert(run.database_url, 7)
    record = next(p for p in read_running(run.folder).processes if p.name == "postgres")
    os.kill(record.identity.pid, signal.SIGKILL)
    run.until("postgres ended")
    run.until("postgres ready")
    assert await _kept(run.database_url) == [7]


def test_a_second_supervisor_on_the_same_folder_is_refused(start: Callable[..., Run]) -> None:
    start().ready()
    second = start()
    output, _ = second.process.communicate(timeout=START_SECONDS)
    assert second.process.returncode != 0
    assert "AlreadyRunning" in output


async def test_taken_internal_ports_move(start: Callable[..., Run]) -> None:
    port = free_port()
    with socket.socket() as blocker:
        blocker.bind(("127.0.0.1", port + 1))
        blocker.listen()
        run = start(port=port)
        run.ready()
        assert read_running(run.folder).port_of("postgres") not in {0, port + 1}
        await _insert(run.database_url, 1)


async def test_servers_run_unprivileged_under_a_closed_folder_and_change_no_mode(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    places = [*closed.parents, closed, Path(sys.prefix), Path.home(), Path(shutil.which("env") or "/")]
    before = _modes(places)
    run = start(closed / "data")
    run.ready()
    for record in read_running(run.folder).processes:
        process = psutil.Process(record.identity.pid)
        assert set(process.uids()) == {run.folder.postgres.stat().st_uid}
        assert process.uids().real != 0
        capabilities = next(
            line.split()[1] for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "CapEff" in line
        )
        assert int(capabilities, 16) & ~(1 << 2) == 0
    await _insert(run.database_url, 1)
    run.end()
    assert _modes(places) == before


async def test_an_ordinary_user_needs_no_right(start: Callable[..., Run]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lyceum-test-"))
    prefix: tuple[str, ...] = ()
    user = os.geteuid()
    if user == 0:
        user = 65534
        os.chown(folder, user, user)
        # This Python may lie in root's home: reading it is the one right the user is lent.
        lent = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
        prefix = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *lent)
    try:
        run = start(folder / "data", prefix=prefix)
        run.ready()
        await _insert(run.database_url, 1)
        assert {path.stat().st_uid for path in folder.rglob("*")} == {user}
        assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700
        assert run.end()[-1] == "end"
    finally:
        shutil.rmtree(folder)


def _modes(places: list[Path]) -> dict[str, tuple[int, int, int]]:
    statuses = {str(place): place.stat() for place in places}
    return {name: (status.st_mode, status.st_uid, status.st_gid) for name, status in statuses.items()}
