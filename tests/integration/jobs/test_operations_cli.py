"""What operators do in a terminal."""

import json
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from db.repositories import workers
from ops.cli.errors import FAILED
from ops.runtime.ids import new_id
from tests.commands import environment_for, run_command
from tests.integration.jobs.operating import Scene, operating
from tests.integration.jobs.test_operations import OTHER
from tests.servers import Database

Lyceum = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
async def scene(database: Database, valkey_url: str) -> AsyncIterator[Scene]:
    async with operating(database, valkey_url) as opened:
        yield opened


@pytest.fixture
def lyceum(database: Database, valkey_url: str, broker_url: str, tmp_path: Path) -> Lyceum:
    """The command in a process of its own, as a person runs it."""
    environment = environment_for(database, valkey_url, broker_url, tmp_path) | {"COLUMNS": "400"}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return run_command(arguments, environment, tmp_path)

    return run


def said(done: "subprocess.CompletedProcess[str]", status: int = 0) -> str:
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def found(done: "subprocess.CompletedProcess[str]") -> Any:
    return json.loads(said(done))


async def test_jobs_are_found_and_understood(scene: Scene, lyceum: Lyceum) -> None:
    (dead,) = await scene.dead("d", kind=OTHER)
    queued = await scene.one("q", OTHER)
    listed = said(lyceum("jobs", "list", "--state", "dead", "--tenant", "home"))
    assert str(dead) in listed
    assert str(queued) not in listed
    rows = found(lyceum("jobs", "list", "--queue", "exams", "--since", "2020-01-01", "--tenant", "home", "--json"))
    assert [row["id"] for row in rows] == [str(queued), str(dead)]
    shown = said(lyceum("jobs", "show", str(dead), "--tenant", "home"))
    assert "broken: It broke." in shown
    assert "failed" in shown
    assert "no-worker: No worker serves the queue exams." in said(
        lyceum("jobs", "why", str(queued), "--tenant", "home")
    )
    (group,) = found(lyceum("jobs", "dead", "--tenant", "home", "--json"))
    assert (group["count"], group["error_type"]) == (1, "broken")

    assert "no such job" in said(lyceum("jobs", "show", str(dead), "--tenant", "away"), FAILED)
    assert "no tenant called" in said(lyceum("jobs", "list", "--tenant", "nowhere"), FAILED)
    assert "nobody of the tenant" in said(
        lyceum("jobs", "list", "--tenant", "home", "--as", scene.stranger.email), FAILED
    )
    assert "permission ops.write" in said(
        lyceum("queues", "pause", "exams", "--tenant", "home", "--as", scene.onlooker.email), FAILED
    )


async def test_jobs_are_acted_on(scene: Scene, lyceum: Lyceum) -> None:
    """Kinds that only tests know cannot be retried or cancelled by the command's own process."""
    dead = await scene.dead(*"abc", kind=OTHER)
    queued = await scene.one("q", OTHER)
    refused = said(lyceum("jobs", "retry", str(dead[0]), "--tenant", "home"), FAILED)
    assert "job-obsolete: This version of the program has no such job." in refused
    assert "1 of 1 jobs: done (priority)" in said(lyceum("jobs", "priority", "3", str(queued), "--tenant", "home"))
    preview = said(lyceum("jobs", "bulk", "discard", "--state", "dead", "--preview", "--tenant", "home"))
    assert "3 of 3 jobs: would be done (discard); 0 remain" in preview
    assert await scene.state(dead[0]) == "dead"
    assert "1 of 1 jobs: done" in said(lyceum("jobs", "discard", str(dead[0]), "--tenant", "home"))
    done = said(lyceum("jobs", "bulk", "discard", "--kind", OTHER.name, "--state", "dead", "--yes", "--tenant", "home"))
    assert "2 of 2 jobs: done (discard); 0 remain" in done
    assert {await scene.state(job_id) for job_id in dead} == {"cancelled"}
    assert (await scene.acts()).count("job.discarded") == 3


async def test_queues_and_workers(scene: Scene, lyceum: Lyceum) -> None:
    worker = new_id()
    await workers.add_worker(worker, "here", 7, ["exams"], 8)
    await scene.one("q", OTHER)
    assert found(lyceum("queues", "pause", "exams", "--tenant", "home", "--json"))[0]["paused_at"]
    queues = {row["name"]: row for row in found(lyceum("queues", "list", "--tenant", "home", "--json"))}
    assert (queues["exams"]["queued"], bool(queues["exams"]["paused_at"])) == (1, True)
    assert "exams" in said(lyceum("queues", "resume", "exams", "--tenant", "home"))
    assert "here/7" in said(lyceum("workers", "list", "--tenant", "home"))
    assert found(lyceum("workers", "drain", str(worker), "--tenant", "home", "--json"))[0]["state"] == "draining"
    assert "no such worker" in said(lyceum("workers", "drain", str(new_id()), "--tenant", "home"), FAILED)
