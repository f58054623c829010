"""One supervised process: started, watched, started again after a crash, stopped."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ops.local.errors import ProgramFailed
from ops.local.processes import Identity, identify, launch_command, send
from ops.local.program import Program
from ops.runtime.ready import READY_VARIABLE

State = Literal["waiting", "starting", "ready", "ended", "stopped"]
POLL_SECONDS = 0.05
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
HEALTHY_AFTER_SECONDS = 60.0
LOG_LINES_SHOWN = 12


class Child:
    """A `Program` kept running. `on_change` is called after each change of `state` or `identity`."""

    def __init__(self, program: Program, log: Path, on_change: Callable[["Child"], None]) -> None:
        self.program = program
        self.log = log
        self.state: State = "waiting"
        self.identity: Identity | None = None
        self.ready = asyncio.Event()
        self.start_took_seconds = 0.0
        self.last_status = 0
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._pipe = -1
        self._starting = asyncio.Lock()
        self._stopping = False

    async def keep(self) -> None:
        """Run the program until `stop`; a crash after it was ready starts it again, later and later, an end in order at once.

        Raises:
            ProgramFailed: it ended, or did nothing, before it was ready for the first time.
        """
        await asyncio.to_thread(self.program.prepare)
        delay = FIRST_DELAY_SECONDS
        while True:
            started = time.monotonic()
            async with self._starting:
                if self._stopping:
                    return
                process = await self._start()
            await self._wait_until_ready(process, started)
            self.last_status = await process.wait()
            self._close_pipe()
            if self._stopping:
                return
            self._change("ended")
            if not self.ready.is_set():
                raise ProgramFailed(self._explain(f"ended with status {self.last_status} before it was ready"))
            healthy = self.last_status == 0 or time.monotonic() - started > HEALTHY_AFTER_SECONDS
            delay = FIRST_DELAY_SECONDS if healthy else min(delay * 2, LONGEST_DELAY_SECONDS)
            await asyncio.sleep(delay)

    async def stop(self, hurry: asyncio.Event) -> None:
        """End the process: its own signal first, SIGKILL when its time is over or `hurry` is set."""
        async with self._starting:
            self._stopping = True
        if self._process is None or self.identity is None:
            return
        if self._process.returncode is None:
            send(self.identity, self.program.stop_signal)
            ended = asyncio.ensure_future(self._process.wait())
            hurrying = asyncio.ensure_future(hurry.wait())
            waiting = {ended} if self.program.keeps_data else {ended, hurrying}
            await asyncio.wait(waiting, timeout=self.program.stop_seconds, return_when=asyncio.FIRST_COMPLETED)
            hurrying.cancel()
            if not ended.done():
                send(self.identity, signal.SIGKILL, group=True)
            await ended
        self._change("stopped")

    async def _start(self) -> asyncio.subprocess.Process:
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        command = launch_command(
            self.program.command(), death_signal=self.program.stop_signal, account=self.program.account
        )
        with self.log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.program.folder,
                env={**self.program.environment, READY_VARIABLE: str(write_end)},
                pass_fds=(write_end,),
                start_new_session=True,
            )
        os.close(write_end)
        self._process, self._pipe = process, read_end
        self.identity = identify(process.pid) or Identity(process.pid, "")
        self._change("starting")
        return process

    async def _wait_until_ready(self, process: asyncio.subprocess.Process, started: float) -> None:
        while process.returncode is None and not self._stopping:
            if await self._is_ready(process.pid):
                await asyncio.to_thread(self.program.complete)
                self.start_took_seconds = time.monotonic() - started
                self.ready.set()
                self._change("ready")
                return
            if not self.ready.is_set() and time.monotonic() - started > self.program.start_seconds:
                raise ProgramFailed(self._explain(f"was not ready after {self.program.start_seconds:.0f} s"))
            await asyncio.sleep(POLL_SECONDS)

    async def _is_ready(self, pid: int) -> bool:
        if self.program.is_ready is not None:
            return await asyncio.to_thread(self.program.is_ready, pid)
        try:
            return os.read(self._pipe, 1) == b"\n"
        except BlockingIOError:
            return False

    def _close_pipe(self) -> None:
        os.close(self._pipe)

    def _change(self, state: State) -> None:
        self.state = state
        self._on_change(self)

    def _explain(self, what: str) -> str:
        tail = self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        return "\n  ".join([f"{self.program.name} {what}; the end of {self.log}:", *tail])
