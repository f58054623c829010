"""`lyceum up` whole: ready, status, a taken port, kill -9 of the supervisor, a crash, down."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ops.local.processes import is_alive
from ops.runtime.settings import SECRETS
from tests.processes import until
from tests.stack import ROOT, Stack, running_stack, start_stack

PROCESSES = {"postgres", "valkey", "vectors", "gateway", "clock", "worker", "api"}
DEMO_COURSES = {"COMP-101", "COMP-229", "MATH-110", "MATH-111"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One of this module's own: what is counted here must not have been touched by others."""
    with running_stack(tmp_path_factory.mktemp("up") / "data") as running:
        yield running


def lyceum(stack: Stack, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.cli.main", *arguments],
        cwd=ROOT,
        env=stack.environment(**changes),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def token(stack: Stack, email: str) -> str:
    body = {"email": email, "password": stack.password}
    answer = httpx.post(f"{stack.base_url}/api/v1/auth/login", json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def courses(stack: Stack, email: str) -> set[str]:
    headers = {"Authorization": f"Bearer {token(stack, email)}"}
    answer = httpx.get(f"{stack.base_url}/api/v1/courses", headers=headers, timeout=10)
    return {course["code"] for course in answer.json()["items"]}


def test_up_says_when_each_process_is_ready_and_who_can_sign_in(stack: Stack) -> None:
    announced = {line.split()[1] for line in stack.lines if "✓" in line}
    assert announced == PROCESSES
    text = "\n".join(stack.lines)
    assert stack.base_url in text
    for email in (stack.admin, stack.lecturer, stack.student):
        assert any(line.split() == [email, stack.password] for line in stack.lines)
    assert httpx.get(f"{stack.base_url}/health/ready", timeout=10).status_code == 200


def test_the_demo_shows_what_enrolment_opens(stack: Stack) -> None:
    assert courses(stack, stack.admin) == DEMO_COURSES
    assert courses(stack, stack.lecturer) == DEMO_COURSES - {"MATH-111"}
    assert courses(stack, stack.student) == {"COMP-101", "COMP-229"}


def test_status_shows_every_process_with_memory(stack: Stack) -> None:
    done = lyceum(stack, "status")
    assert done.returncode == 0, done.stdout
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()[1:]}
    assert set(rows) == PROCESSES
    assert all(row[1] == "up" for row in rows.values())
    assert all("MiB" in row for row in rows.values())
    assert str(stack.port) in rows["api"]


def test_each_process_of_ours_shows_its_metrics_on_this_machine(stack: Stack) -> None:
    ports = {process.name: process.port for process in stack.running.processes}
    expected = {
        "api": "lyceum_http_requests_total",
        "gateway": "lyceum_gateway",
        "worker": "lyceum_jobs_total",
        "clock": "",
    }
    for name, metric in expected.items():
        text = httpx.get(f"http://127.0.0.1:{ports[name]}/metrics", timeout=10).raise_for_status().text
        assert "process_resident_memory_bytes" in text, name
        assert metric in text, name


def test_secrets_and_passwords_stay_out_of_command_lines_and_logs(stack: Stack) -> None:
    secrets = [path.read_text() for path in (stack.data_dir / "secrets").iterdir()]
    assert len(secrets) >= len(SECRETS) / 2
    commands = b"".join(Path(f"/proc/{p.identity.pid}/cmdline").read_bytes() for p in stack.running.processes)
    logs = "".join(path.read_text(errors="replace") for path in (stack.data_dir / "logs").iterdir())
    assert not [secret for secret in secrets if secret.encode() in commands]
    assert not [secret for secret in secrets if secret in logs]


def test_a_second_up_on_the_same_folder_is_refused_with_a_sentence(stack: Stack) -> None:
    done = lyceum(stack, "up")
    assert done.returncode == 1
    assert "lyceum down" in done.stderr
    assert done.stderr.count("\n") == 1


def test_ingest_uploads_a_folder_and_waits(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "tides.md").write_text("# Tides\n\nThe spring tide follows the new moon by about two days.\n")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing more")
    done = lyceum(stack, "ingest", str(tmp_path), "--course", "COMP-101")
    assert done.returncode == 1
    assert "1 of 2 documents are ready" in done.stdout
    assert "broken.pdf" in done.stdout
    unknown = lyceum(stack, "ingest", str(tmp_path), "--course", "NOPE-1")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
    assert "NOPE-1" in unknown.stderr


def test_the_demo_is_loaded_once_and_again_without_harm(stack: Stack) -> None:
    assert lyceum(stack, "demo").returncode == 0
    assert courses(stack, stack.admin) == DEMO_COURSES
    refused = lyceum(
        stack, "demo", LYCEUM_ENV="production", LYCEUM_DEMO_PASSWORD="",
        LYCEUM_SIGNING_KEY="k", LYCEUM_MASTER_KEY="k", LYCEUM_SERVICE_KEY="k",
    )  # fmt: skip
    assert refused.returncode == 1
    assert "production" in refused.stderr


def test_a_taken_public_port_is_a_sentence_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as blocker:
        blocker.bind(("127.0.0.1", 0))
        blocker.listen()
        stack = start_stack(tmp_path / "data", port=blocker.getsockname()[1])
        assert stack.process.wait(timeout=20) == 1
        until(lambda: any("LYCEUM_PORT" in line for line in stack.lines))
        assert not stack.running.processes
        assert not (tmp_path / "data" / "postgres").exists()


def test_production_without_keys_is_refused(tmp_path: Path) -> None:
    stack = start_stack(tmp_path / "data", changes={"LYCEUM_ENV": "production", "LYCEUM_DEMO_PASSWORD": ""})
    assert stack.process.wait(timeout=20) == 78
    until(lambda: any("LYCEUM_SIGNING_KEY" in line for line in stack.lines))


@pytest.mark.long
def test_kill_9_of_the_supervisor_a_crash_and_down(tmp_path: Path) -> None:
    without_demo = {"LYCEUM_ENV": "staging"}
    first = start_stack(tmp_path / "data", changes=without_demo)
    first.wait_until_ready()
    assert lyceum(first, "tenant", "create", "North School", "--slug", "north", **without_demo).returncode == 0
    left = first.running
    assert left.supervisor is not None
    os.kill(left.supervisor.pid, signal.SIGKILL)
    first.process.wait(timeout=10)

    second = start_stack(tmp_path / "data", changes=without_demo)
    second.wait_until_ready()
    assert not [process.name for process in left.processes if is_alive(process.identity)]
    again = lyceum(second, "tenant", "create", "North School", "--slug", "north", **without_demo)
    assert "north exists" in again.stderr
    worker = second.pid_of("worker")
    os.kill(worker, signal.SIGKILL)
    until(lambda: any("worker runs again" in line for line in second.lines), 30, lambda: "\n".join(second.lines))
    assert second.pid_of("worker") != worker

    running = second.running.processes
    done = lyceum(second, "down")
    assert (done.returncode, second.process.wait(timeout=10)) == (0, 0)
    assert not [process.name for process in running if is_alive(process.identity)]
    assert lyceum(second, "status").returncode == 3
