"""The parent's grip on its child."""

import asyncio
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

import rag.parse.sandbox as sandbox
from rag.parse import ParseFailure, ParseLimits, SandboxError, parse_document
from tests.processes import eventually
from tests.unit.parse.samples import DOCUMENTS


async def test_all_walls_stand_while_a_document_is_read() -> None:
    document = await parse_document(DOCUMENTS / "crazyones.pdf", file_name="a.pdf")
    assert {"limits", "user"} <= set(document.confinement)
    if sys.platform == "linux":
        assert {"network", "files", "syscalls"} <= set(document.confinement)


async def test_environment_of_the_child_is_bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LYCEUM_SIGNING_KEY", "secret")
    seen = tmp_path / "environment"
    boot = f"import os; open({str(seen)!r}, 'w').write(repr(dict(os.environ)))"
    monkeypatch.setattr(sandbox, "_BOOT", boot)
    with pytest.raises(SandboxError):
        await parse_document(DOCUMENTS / "crazyones.pdf", file_name="a.pdf")
    assert "secret" not in seen.read_text()


async def _failure(boot: str, monkeypatch: pytest.MonkeyPatch, limits: ParseLimits) -> str:
    monkeypatch.setattr(sandbox, "_BOOT", boot)
    with pytest.raises(ParseFailure) as caught:
        await parse_document(DOCUMENTS / "crazyones.pdf", file_name="a.pdf", limits=limits)
    return caught.value.type


async def test_wall_clock_ends_child_and_grandchild(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    boot = (
        f"import os, time; child = os.fork(); open({str(pids)!r}, 'a').write(str(os.getpid()) + '\\n'); time.sleep(60)"
    )
    started = time.monotonic()
    assert await _failure(boot, monkeypatch, ParseLimits(wall_seconds=2)) == "timeout"
    assert time.monotonic() - started < 5
    begun = [int(pid) for pid in pids.read_text().split()]
    assert len(begun) == 2
    await eventually(lambda: not any(map(_is_running, begun)))


def _is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_endless_output_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    boot = "import sys\nwhile True: sys.stdout.buffer.write(b'x' * 65536)"
    assert await _failure(boot, monkeypatch, ParseLimits(output_bytes=1 << 20)) == "too-large"


async def test_spinning_child_runs_out_of_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    boot = (
        "import sys; sys.path.insert(0, sys.argv[1]); from rag.parse.confine import confine; "
        "from rag.parse.contract import ParseLimits; confine(ParseLimits(cpu_seconds=1), ())\nwhile True: pass"
    )
    assert await _failure(boot, monkeypatch, ParseLimits()) == "timeout"


@pytest.mark.parametrize(
    ("signal_name", "expected"), [("SIGABRT", "bomb"), ("SIGSEGV", "unreadable"), ("SIGKILL", "bomb")]
)
async def test_how_a_crash_is_told(monkeypatch: pytest.MonkeyPatch, signal_name: str, expected: str) -> None:
    boot = f"import os, signal; os.kill(os.getpid(), signal.{signal_name})"
    assert await _failure(boot, monkeypatch, ParseLimits()) == expected


@pytest.mark.parametrize(
    "boot",
    [
        "import sys; sys.exit(3)",
        "print('no message pack')",
        "import nothing_of_that_name",
        "import sys; sys.stdout.buffer.write(b'\\x83\\xa4type\\xa6parsed')",
    ],
)
async def test_broken_child_is_not_the_documents_fault(monkeypatch: pytest.MonkeyPatch, boot: str) -> None:
    monkeypatch.setattr(sandbox, "_BOOT", boot)
    with pytest.raises(SandboxError):
        await parse_document(DOCUMENTS / "crazyones.pdf", file_name="a.pdf")


async def test_lying_child_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    boot = (
        "import sys; sys.path.insert(0, sys.argv[1]); import msgspec; from rag.parse.contract import *; "
        "document = ParsedDocument(parser_version='1', media_type=PDF, text='abc', pages=(PageSpan(1, 0, 99),)); "
        "sys.stdout.buffer.write(msgspec.msgpack.encode(ParsedReply(document=document)))"
    )
    monkeypatch.setattr(sandbox, "_BOOT", boot)
    with pytest.raises(SandboxError):
        await parse_document(DOCUMENTS / "crazyones.pdf", file_name="a.pdf")


async def test_cancelled_caller_leaves_no_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    monkeypatch.setattr(
        sandbox, "_BOOT", f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    )
    task = asyncio.create_task(parse_document(DOCUMENTS / "crazyones.pdf", file_name="a.pdf"))
    while not pid_file.exists() or not pid_file.read_text():
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _is_running(int(pid_file.read_text()))


async def test_several_documents_at_once() -> None:
    names = ["crazyones.pdf", "Syllabus.docx", "swc-shell-02-filedir.md", "openstax-stats-m79604.html"] * 2
    documents = await asyncio.gather(*(parse_document(DOCUMENTS / name, file_name=name) for name in names))
    assert [document.text for document in documents[:4]] == [document.text for document in documents[4:]]


async def test_children_start_quickly() -> None:
    started = time.monotonic()
    await parse_document(DOCUMENTS / "Syllabus.docx", file_name="a.docx")
    # Alone on a machine this takes 0.1 s; the bound allows for busy ones.
    assert time.monotonic() - started < 3 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
