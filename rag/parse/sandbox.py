"""The parent's side of the sandbox: one fresh child per document, started, timed, read with a cap, and always ended."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import msgspec

from rag.parse.contract import Answer, FailureReply, Reply, Task, UnguardedReply, Wall
from rag.parse.failure import FailureType, ParseFailure

_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from rag.parse.child import main; main(sys.argv[2])"
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}
_CHUNK_BYTES = 1 << 16
# What ends a child from within: PDFium and C++ abort when memory is refused, the kernel kills when there is none.
_BY_SIGNAL: dict[int, FailureType] = {
    signal.SIGABRT: "bomb",
    signal.SIGTRAP: "bomb",
    signal.SIGILL: "bomb",
    signal.SIGKILL: "bomb",
    signal.SIGXCPU: "timeout",
}


class SandboxError(Exception):
    """The child did not do its work for a reason that is not the document's, such as a broken installation."""


class WallsMissing(SandboxError):
    """This machine cannot give a wall that the order requires; the document was not looked at."""

    def __init__(self, missing: tuple[Wall, ...]) -> None:
        super().__init__(f"the sandbox has no wall {', '.join(missing)} on this machine")
        self.missing = missing


async def run_sandboxed(task: Task, path: Path) -> Answer:
    """Carry out `task` on the file at `path` in a child of its own.

    Raises:
        ParseFailure: the document cannot be used, or used up what it may cost.
        WallsMissing: a required wall cannot be had.
        SandboxError: the child could not be started or broke the protocol.
    """
    with path.open("rb") as document:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-B", "-X", "utf8", "-c", _BOOT, _PACKAGE_ROOT, msgspec.json.encode(task).decode()),
            stdin=document,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env=_ENVIRONMENT,
        )
    try:
        async with asyncio.timeout(task.limits.wall_seconds):
            answer = await _read_capped(process, task.limits.output_bytes)
            status = await process.wait()
    except TimeoutError:
        raise ParseFailure("timeout", "wall clock") from None
    finally:
        await _end(process)
    return _interpret(answer, status)


async def _read_capped(process: asyncio.subprocess.Process, max_bytes: int) -> bytes:
    assert process.stdout is not None
    answer = bytearray()
    while chunk := await process.stdout.read(_CHUNK_BYTES):
        answer += chunk
        if len(answer) > max_bytes:
            raise ParseFailure("too-large", "answer of the child")
    return bytes(answer)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the child's whole group unless it has ended, and reap it, even when the caller is being cancelled."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())


def _interpret(answer: bytes, status: int) -> Answer:
    if status < 0:
        raise ParseFailure(_BY_SIGNAL.get(-status, "unreadable"), f"signal {-status}")
    if status != 0:
        raise SandboxError(f"the parser's child ended with status {status}")
    try:
        reply: Reply = msgspec.msgpack.decode(answer, type=Reply)
    except msgspec.MsgspecError as error:
        raise SandboxError("the parser's child gave no valid answer") from error
    if isinstance(reply, FailureReply):
        raise ParseFailure(reply.failure, reply.cause)
    if isinstance(reply, UnguardedReply):
        raise WallsMissing(reply.missing)
    return reply
