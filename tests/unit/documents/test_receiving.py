"""What an upload leaves behind, how many there may be, and what is asked before a file is stored."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from uuid import UUID

import pytest

from backend.documents import upload
from backend.documents.errors import UploadsBusy
from backend.documents.spool import PREFIX, STALE_SECONDS, Spool
from backend.documents.upload import Upload, read_pieces, receive_upload
from backend.errors import BadRequest, NotFound, RateLimited
from tests.processes import eventually

ADA, BOB = UUID(int=1), UUID(int=2)
CONTENT_TYPE = "multipart/form-data; boundary=b"
COURSE = b'--b\r\nContent-Disposition: form-data; name="course_id"\r\n\r\nC1\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'
END = b"\r\n--b--\r\n"
ENDLESS = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from backend.documents.spool import Spool
from backend.documents.upload import receive_upload

async def body():
    yield sys.argv[2].encode().decode("unicode_escape").encode()
    for _ in range(4):
        yield b"x" * 1024 * 1024
    print("received", flush=True)
    await asyncio.sleep(60)

async def main():
    async def check(fields): pass
    args = (body(), "multipart/form-data; boundary=b", 1 << 30, Spool(Path(sys.argv[1])), UUID(int=1), check)
    async with receive_upload(*args):
        pass

asyncio.run(main())
"""


class Sender:
    """A body that counts what was taken of it."""

    def __init__(self, *pieces: bytes) -> None:
        self.taken = 0
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.taken += 1
            yield piece


async def accept(fields: Mapping[str, str]) -> None:
    del fields


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "data" / "uploads", at_once=3, per_person=2)


def files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_the_file_lies_below_the_data_folder_without_a_name(tmp_path: Path, spool: Spool) -> None:
    body = aiter(Sender(COURSE, FILE, b"words", END))
    async with receive_upload(body, CONTENT_TYPE, 100, spool, ADA, accept) as upload:
        where = str(Path(f"/proc/self/fd/{upload.file.path.name}").readlink())
        assert where.startswith(str(tmp_path / "data" / "uploads"))
        assert files(tmp_path) == []
        assert b"".join([piece async for piece in read_pieces(upload.file.path)]) == b"words"
        assert b"".join([piece async for piece in read_pieces(upload.file.path)]) == b"words"
    assert not upload.file.path.exists()
    assert (tmp_path / "data" / "uploads").stat().st_mode & 0o077 == 0


def test_a_killed_upload_leaves_nothing(tmp_path: Path) -> None:
    start = (COURSE + FILE).decode().replace("\r\n", "\\r\\n")
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path / "uploads"), start], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "received\n"
    links = [str(link.readlink()) for link in Path(f"/proc/{process.pid}/fd").iterdir()]
    assert any(link.startswith(str(tmp_path / "uploads")) for link in links)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    assert files(tmp_path) == []


def test_old_leftovers_are_swept_and_young_files_stay(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in (f"{PREFIX}old", f"{PREFIX}young", "notes"))
    for path in (old, young, other):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - STALE_SECONDS - 1,) * 2)
    os.utime(other, (0, 0))
    Spool(tmp_path).sweep()
    assert sorted(files(tmp_path)) == sorted([young, other])
    Spool(tmp_path / "none").sweep()


async def test_fields_are_checked_before_the_file_is_stored(tmp_path: Path, spool: Spool) -> None:
    seen: list[dict[str, str]] = []

    async def refuse(fields: Mapping[str, str]) -> None:
        seen.append(dict(fields))
        raise NotFound("There is no such course.")

    sender = Sender(COURSE, FILE, *[b"x" * 1024] * 50, END)
    with pytest.raises(NotFound):
        async with receive_upload(aiter(sender), CONTENT_TYPE, 1 << 20, spool, ADA, refuse):
            raise AssertionError("the file was received")
    assert seen == [{"course_id": "C1"}]
    assert sender.taken == 53  # so that the sender reads the answer


async def test_too_many_at_once_are_told_to_wait(spool: Spool) -> None:
    half_sent: list[UUID] = []

    async def receive(who: UUID, released: asyncio.Event) -> Upload:
        async def body() -> AsyncIterator[bytes]:
            yield FILE
            half_sent.append(who)
            await released.wait()
            yield END

        async with receive_upload(body(), CONTENT_TYPE, 100, spool, who, accept) as received:
            return received

    released, at_once = asyncio.Event(), asyncio.Event()
    at_once.set()
    running = [asyncio.create_task(receive(who, released)) for who in (ADA, ADA, BOB)]
    await eventually(lambda: len(half_sent) == len(running))
    with pytest.raises(RateLimited) as limited:
        await receive(ADA, at_once)
    with pytest.raises(UploadsBusy) as busy:
        await receive(BOB, at_once)
    assert limited.value.retry_after_seconds
    assert busy.value.retry_after_seconds
    assert busy.value.status == 503
    released.set()
    await asyncio.gather(*running)
    await receive(ADA, at_once)


@pytest.mark.parametrize("pieces", [(FILE, b"x" * 200, END), (FILE, b"half")])
async def test_a_refused_or_broken_upload_gives_its_place_back(spool: Spool, pieces: tuple[bytes, ...]) -> None:
    for _ in range(5):
        with pytest.raises(Exception, match=r"Files may|form cannot be read"):
            async with receive_upload(aiter(Sender(*pieces)), CONTENT_TYPE, 100, spool, ADA, accept):
                raise AssertionError("it was received")


async def test_a_body_that_stops_coming_gives_its_place_back(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "SILENCE_SECONDS", 0.05)

    async def body() -> AsyncIterator[bytes]:
        yield FILE
        await asyncio.Event().wait()

    for _ in range(3):
        with pytest.raises(BadRequest, match="stopped"):
            async with asyncio.timeout(5), receive_upload(body(), CONTENT_TYPE, 100, spool, ADA, accept):
                raise AssertionError("it was received")
