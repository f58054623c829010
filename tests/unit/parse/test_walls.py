"""Each wall tried from inside, together and one by one: what is refused with a wall is done without it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

import rag.parse.sandbox as sandbox
from rag.parse import ParseFailure, ParseLimits, WallsMissing, parse_document, render_page, standing_walls
from tests.unit.parse.samples import DOCUMENTS

ROOT = Path(__file__).parents[3]
PDF = DOCUMENTS / "crazyones.pdf"
ALL = ("limits", "network", "user", "files", "syscalls")

FILES = {"truncate", "read", "list", "write", "overwrite", "remove"}
# Done by an ordinary user's process that no wall stops, on any Linux; the others depend on how the kernel was built.
OPEN = {
    "socket", "unix socket", "socketpair", "fork", "clone", "kill", "kill all", "kill group", "tkill", "tgkill",
    "pidfd_open", "own a descriptor", "raise a limit", "another's limit", "priority", "outlive the parent",
    "read memory", "ptrace", "shmget", "semget", "msgget", "memfd", "chmod",
}  # fmt: skip


def _intrude(started: str, *walls: str) -> dict[str, Any]:
    """Run the hostile child behind `walls` alone and return what it found."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        child = Path(__file__).with_name("intruder.py").read_text()
        done = subprocess.run(
            [sys.executable, "-I", "-c", child, str(ROOT), started, folder, ",".join(walls)],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        assert [entry.name for entry in Path(folder).iterdir()] == ["mine"] or "files" not in walls
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _need(found: dict[str, Any], wall: str) -> None:
    if wall not in found["walls"]:
        pytest.skip(f"this kernel has no wall {wall}")


@pytest.mark.parametrize("started", ["as started", "ordinary"])
def test_nothing_gets_out(started: str) -> None:
    found = _intrude(started, *ALL)
    _need(found, "files")
    _need(found, "syscalls")
    assert {name: result for name, result in found["results"].items() if result == "done"} == {}
    assert found["results"]["memory"] == "ENOMEM"
    assert found["uid"] != 0
    assert found["nice"] >= 10


def test_the_filter_alone_refuses_every_call() -> None:
    found = _intrude("ordinary", "syscalls")
    _need(found, "syscalls")
    calls = {name: result for name, result in found["results"].items() if name not in FILES - {"truncate"} | {"memory"}}
    assert set(calls.values()) == {"EPERM"}, calls


def test_landlock_alone_refuses_every_file() -> None:
    found = _intrude("ordinary", "files")
    _need(found, "files")
    refused = {name for name, result in found["results"].items() if result in ("EACCES", "EPERM")}
    # Kernels before 6.2 have a Landlock that knows nothing of truncate; the filter refuses it.
    assert refused >= FILES - {"truncate"}


def test_without_walls_the_attempts_succeed() -> None:
    """Or the tests above would prove nothing."""
    found = _intrude("ordinary", "none")
    assert found["walls"] == ["limits"]
    assert {name for name in OPEN | FILES if found["results"][name] != "done"} == set()


BEHIND_ALL = """
import ctypes, mmap, os, signal, sys
sys.path.insert(0, sys.argv[1])
from rag.parse.confine import confine
from rag.parse.contract import ParseLimits
libc = ctypes.CDLL(None)
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (getpid of the 32-bit calls); int 0x80; ret
old_call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
if "confined" in sys.argv:
    walls = confine(ParseLimits(), ())
"""


def _status(code: str, *arguments: str) -> int:
    return subprocess.run(
        [sys.executable, "-I", "-c", BEHIND_ALL + code, str(ROOT), *arguments],
        capture_output=True,
        check=False,
        timeout=30,
    ).returncode


def test_abort_still_tells_of_a_refused_allocation() -> None:
    assert _status("os.abort()", "confined") == -6


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="an x86 back door")
def test_calls_of_32_bit_programs_kill() -> None:
    if _status("sys.exit(old_call() != os.getpid())") != 0:
        pytest.skip("this kernel runs no 32-bit calls")
    assert _status("old_call()", "confined") == -31


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="an x86 back door")
def test_calls_of_x32_programs_are_refused() -> None:
    refused = "ctypes.set_errno(0); libc = ctypes.CDLL(None, use_errno=True); r = libc.syscall(0x40000000 | 39)\n"
    assert _status(refused + "sys.exit(0 if (r, ctypes.get_errno()) == (-1, 1) else 9)", "confined") == 0


def _without(builder: str, then: str = "") -> str:
    return (
        "import sys; sys.path.insert(0, sys.argv[1]); from rag.parse import child, confine\n"
        f"confine.{builder} = lambda *_: False\n{then}\nchild.main(sys.argv[2])"
    )


@pytest.mark.parametrize(("builder", "wall"), [("_hide_files", "files"), ("refuse_system_calls", "syscalls")])
async def test_a_required_wall_that_is_missing_stops_the_work(
    monkeypatch: pytest.MonkeyPatch, builder: str, wall: str
) -> None:
    monkeypatch.setattr(sandbox, "_BOOT", _without(builder, "child._attempt = None"))
    with pytest.raises(WallsMissing) as caught:
        await parse_document(PDF, file_name="a.pdf", required=("files", "syscalls"))
    assert caught.value.missing == (wall,)
    with pytest.raises(WallsMissing):
        await render_page(PDF, 1, width_px=480, required=("files", "syscalls"))


@pytest.mark.parametrize(("builder", "wall"), [("_hide_files", "files"), ("refuse_system_calls", "syscalls")])
async def test_a_missing_wall_that_is_not_required_is_told(
    monkeypatch: pytest.MonkeyPatch, builder: str, wall: str
) -> None:
    monkeypatch.setattr(sandbox, "_BOOT", _without(builder))
    document = await parse_document(PDF, file_name="a.pdf")
    assert document.text
    assert wall not in document.confinement
    assert wall not in await standing_walls()


async def test_pictures_are_drawn_behind_the_same_walls() -> None:
    page = await render_page(PDF, 1, width_px=480)
    document = await parse_document(PDF, file_name="a.pdf")
    assert page.confinement == document.confinement == await standing_walls()
    assert {"limits", "user"} <= set(page.confinement)


async def test_a_spinning_picture_runs_out_of_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    spin = "def spin(*_):\n    while True: pass\nchild._attempt = spin"
    monkeypatch.setattr(sandbox, "_BOOT", _without("_leave_network", spin))
    with pytest.raises(ParseFailure) as caught:
        await render_page(PDF, 1, width_px=480, limits=ParseLimits(cpu_seconds=1, wall_seconds=60))
    assert caught.value.type == "timeout"
