"""kill -9 of the worker, again and again: what is in the end is what a run without a crash gives, byte for byte."""

import asyncio
import hashlib
import random
import shutil
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from signal import SIGKILL
from typing import Any

import asyncpg
import httpx
import pytest

from actors.crash import VARIABLE
from backend.documents import service
from backend.documents.schemas import UploadForm
from ops.runtime.objects import ObjectStore
from ops.runtime.settings import Settings
from rag.store import passage_point_id
from tests import campus
from tests.installation import furnish, received, settings_for
from tests.processes import Running, process, running_gateway, start
from tests.servers import Database, RunningPostgres, RunningValkey
from tests.vectors import RunningVectors, running_vectors

DATA = Path(__file__).parents[1] / "data" / "documents"
FILES = ("cheatsheet-deep-learning-ar.pdf", "Syllabus.docx", "swc-shell-02-filedir.md")
GENERATED = 12
STAGES = ("parsing", "chunking", "embedding", "indexing", "ready")
BORDERS = [f"{stage}:{border}:1" for stage in STAGES for border in ("begin", "end")]
RANDOM_KILLS = 32  # some find their worker done already
SEED = 20261121
WORDS = "gradient model loss proof matrix vector learning rate step sample bound prior theorem node layer".split()  # noqa: SIM905
LIVE = "state IN ('queued', 'waiting', 'running')"
HAS_DOCUMENT = """SELECT EXISTS (SELECT FROM jobs j JOIN workers w ON w.id = j.worker_id
    WHERE w.pid = $1 AND j.kind = 'documents.ingest' AND j.state = 'running')"""
WORKERS_AT_ONCE = 2
ONE_THREAD = ", threads=1"  # so that a kill costs one attempt and no document runs out of them
SETTLE_SECONDS = 120
DENSE_BYTES = 384 * 4


@dataclass(frozen=True)
class Point:
    """A point of the index: its vectors' values as float32, little-endian."""

    payload: dict[str, Any]
    dense: bytes
    words: tuple[int, ...]
    weights: bytes


@dataclass(frozen=True)
class Result:
    """Everything an ingestion leaves behind: rows, points, and the SHA-256 of each stored object by its key."""

    versions: list[tuple[Any, ...]]
    passages: list[tuple[Any, ...]]
    points: dict[str, Point]
    objects: dict[str, str]


@pytest.mark.timeout(480)
async def test_thirty_crashes_leave_what_a_clean_run_leaves(
    tmp_path: Path,
    database: Database,
    postgres_server: RunningPostgres,
    valkey_server: RunningValkey,
) -> None:
    crashed_folder, clean_folder = tmp_path / "crashed", tmp_path / "clean"
    crashed_folder.mkdir()
    with (
        running_vectors(tmp_path / "vectors-crashed") as crashed_index,
        running_vectors(tmp_path / "vectors-clean") as clean_index,
        running_gateway(tmp_path, "gateway_one_by_one") as gateway,
    ):
        crashed = settings_for(
            crashed_folder, database, valkey_server.url(20), valkey_server.url(21), crashed_index.url, gateway
        )
        await _upload_everything(crashed)
        shutil.copytree(crashed_folder, clean_folder)
        twin = postgres_server.create_database(database.name)
        clean = settings_for(clean_folder, twin, valkey_server.url(22), valkey_server.url(23), clean_index.url, gateway)

        kills = await _crash_until_ready(crashed, crashed_folder)
        with process("clock", clean, clean_folder), process("worker", clean, clean_folder):
            await _until_settled(twin.url)

        result = await _result(database.url, crashed_index, crashed_folder)
        print(f"kills: {dict(kills)}, documents: {len(result.versions)}, passages: {len(result.passages)}")
        assert kills.total() >= 30
        assert all(kills[border] == 1 for border in BORDERS)
        expected = await _result(twin.url, clean_index, clean_folder)
        assert _differences(result, expected) == []
        assert result == expected
        assert {version[2] for version in result.versions} == {"ready"}
        assert set(result.points) == {str(passage[0]) for passage in result.passages}
        dense = {str(passage[0]) for passage in result.passages if passage[-1]}
        assert {name for name, point in result.points.items() if len(point.dense) == DENSE_BYTES} == dense
        assert len({point.dense for name, point in result.points.items() if name in dense}) == len(dense) > 60
        assert all(point.weights for point in result.points.values())
        assert all(passage[0] == passage_point_id(*passage[1:4]) for passage in result.passages)
        assert await _exactly_once(database.url, len(result.versions))


async def _upload_everything(settings: Settings) -> None:
    """Accept all documents while no worker runs."""
    async with campus.opened(settings):
        home = await furnish()
        objects = ObjectStore.from_url(settings.object_store_url)
        files = [(name, (DATA / name).read_bytes()) for name in FILES]
        files += [(f"notes-{number}.md", _notes(number)) for number in range(GENERATED)]
        for name, data in files:
            form = UploadForm(course_id=home.course.id)
            await service.upload(home.administrator, objects, form, received(settings.data_dir, data, name))


def _notes(number: int) -> bytes:
    """Text of about five passages that is never the same twice."""
    chosen = random.Random(SEED + number)
    sentences = [" ".join(chosen.choices(WORDS, k=12)).capitalize() + "." for _ in range(60)]
    paragraphs = (" ".join(sentences[start : start + 5]) for start in range(0, len(sentences), 5))
    return ("# Notes\n\n" + "\n\n".join(paragraphs)).encode()


async def _crash_until_ready(settings: Settings, folder: Path) -> Counter[str]:
    """Kill a worker at each border once, then others at random moments while they work; let the last one finish."""
    plans = iter([*BORDERS, *("random" for _ in range(RANDOM_KILLS))])
    kills: Counter[str] = Counter()
    with process("clock", settings, folder):
        await asyncio.gather(*(_kill_by(plans, settings, folder, kills) for _ in range(WORKERS_AT_ONCE)))
        with process("worker", settings, folder):
            await _until_settled(settings.database_url)
    return kills


async def _kill_by(plans: Iterator[str], settings: Settings, folder: Path, kills: Counter[str]) -> None:
    moments = random.Random(SEED)
    session = await asyncpg.connect(settings.database_url)
    for plan in plans:
        environment = {} if plan == "random" else {VARIABLE: plan}
        worker = await asyncio.to_thread(
            start, "worker", settings, folder, environment=environment, arguments=ONE_THREAD
        )
        if plan == "random":
            killed = await _kill_while_working(session, worker, moments.uniform(0.0, 0.5))
            kills[plan] += killed  # not in one line: the other coroutine counts during the wait
        else:
            assert await asyncio.to_thread(worker.wait, 90), f"the worker never passed {plan}"
            assert worker.process.returncode == -SIGKILL
            kills[plan] += 1
    await session.close()


async def _kill_while_working(session: asyncpg.Connection, worker: Running, delay_seconds: float) -> int:
    """Wait until the worker has a document, then a little, and kill; 0 when nothing was left to do."""
    deadline = time.monotonic() + 20
    while not await session.fetchval(HAS_DOCUMENT, worker.process.pid):
        if time.monotonic() > deadline:
            worker.stop()
            return 0
        await asyncio.sleep(0.01)
    await asyncio.sleep(delay_seconds)
    worker.kill()
    return 1


async def _until_settled(database_url: str) -> None:
    session = await asyncpg.connect(database_url)
    deadline = time.monotonic() + SETTLE_SECONDS
    while left := await session.fetch(f"SELECT kind, state, attempt, error FROM jobs WHERE {LIVE}"):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.1)
    await session.close()


async def _result(database_url: str, index: RunningVectors, folder: Path) -> Result:
    session = await asyncpg.connect(database_url)
    versions = await session.fetch(
        """SELECT v.document_id, d.serving_version, v.state, v.page_count, v.char_count, v.passage_count, v.dense_count, v.languages
           FROM document_versions v JOIN documents d ON d.id = v.document_id ORDER BY 1"""
    )
    passages = await session.fetch(
        """SELECT id, document_id, version, ordinal, page, heading, char_start, char_end, convert_to(text, 'UTF8'),
                  language, has_dense
           FROM passages ORDER BY document_id, version, ordinal"""
    )
    await session.close()
    rows = [tuple(row) for row in versions], [tuple(row) for row in passages]
    return Result(*rows, await _points(index), _objects(folder / "objects"))


def _objects(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _differences(result: Result, expected: Result) -> list[str]:
    """What differs, in few words: a whole result is too long to read."""
    points = result.points.keys() | expected.points.keys()
    objects = result.objects.keys() | expected.objects.keys()
    return [
        *(f"version {a} {b}" for a, b in zip_longest(result.versions, expected.versions) if a != b),
        *(f"passage {a} {b}" for a, b in zip_longest(result.passages, expected.passages) if a != b),
        *(f"point {name}" for name in points if result.points.get(name) != expected.points.get(name)),
        *(f"object {name}" for name in objects if result.objects.get(name) != expected.objects.get(name)),
    ]


async def _points(index: RunningVectors) -> dict[str, Point]:
    points: dict[str, Point] = {}
    async with httpx.AsyncClient(base_url=index.url, timeout=30) as client:
        offset = None
        while True:
            body = {"limit": 256, "offset": offset, "with_payload": True, "with_vector": True}
            found = (
                (await client.post("/collections/passages/points/scroll", json=body))
                .raise_for_status()
                .json()["result"]
            )
            points |= {str(point["id"]): _point(point["payload"], point["vector"]) for point in found["points"]}
            offset = found["next_page_offset"]
            if offset is None:
                return points


def _point(payload: dict[str, Any], vectors: dict[str, Any]) -> Point:
    words = vectors["bm25"]
    return Point(
        payload=payload,
        dense=array("f", vectors.get("dense") or ()).tobytes(),
        words=tuple(words["indices"]),
        weights=array("f", words["values"]).tobytes(),
    )


async def _exactly_once(database_url: str, documents: int) -> bool:
    """Each document became ready once, whatever the number of attempts."""
    session = await asyncpg.connect(database_url)
    ready = await session.fetchval("SELECT count(*) FROM audit_log WHERE action = 'document.ready'")
    succeeded = await session.fetchval(
        "SELECT count(*) FROM jobs WHERE kind = 'documents.ingest' AND state = 'succeeded'"
    )
    await session.close()
    return bool(ready == succeeded == documents)
