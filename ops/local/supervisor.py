"""Runs programs and steps in their order, keeps the programs running, stops everything when asked or when one cannot start."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence

from ops.local.child import Child
from ops.local.data_folder import DataFolder
from ops.local.errors import LocalError
from ops.local.processes import identify
from ops.local.program import Program, Step
from ops.local.records import Process, Running, write_running

# Whoever uses others goes before them; programs of one group stop together.
STOP_ORDER = (("api", "worker", "clock"), ("gateway", "vectors"), ("valkey", "postgres"))
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """One run of `lyceum up`. `on_change` hears of every child's change, `on_ready` once when all are ready."""

    def __init__(
        self,
        folder: DataFolder,
        programs: Sequence[Program],
        steps: Sequence[Step],
        *,
        port: int,
        on_change: Callable[[Child], None],
        on_ready: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._steps = steps
        self._port = port
        self._on_change = on_change
        self._on_ready = on_ready
        self._children = {p.name: Child(p, folder.log_file(p.name), self._changed) for p in programs}
        self._done = {step.name: asyncio.Event() for step in steps}
        self._stop_requested = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Run until a signal asks to stop.

        Raises:
            LocalError: a program or a step failed before everything was ready.
        """
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._request_stop)
        working = asyncio.ensure_future(self._work())
        stopping = asyncio.ensure_future(self._stop_requested.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            stopping.cancel()
            await self._stop_all()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            write_running(self._folder, Running())

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for child in self._children.values():
                    group.create_task(self._keep(child))
                for step in self._steps:
                    group.create_task(self._take(step))
                group.create_task(self._announce())
        except ExceptionGroup as failures:
            expected, faults = failures.split(LocalError)
            if faults is None and expected is not None:
                raise expected.exceptions[0] from None
            raise

    async def _keep(self, child: Child) -> None:
        await self._wait_for(child.program.after)
        await child.keep()

    async def _take(self, step: Step) -> None:
        await self._wait_for(step.after)
        await asyncio.to_thread(step.run)
        self._done[step.name].set()

    async def _announce(self) -> None:
        await self._wait_for((*self._children, *self._done))
        self._on_ready()

    async def _wait_for(self, names: Sequence[str]) -> None:
        for name in names:
            await (self._done[name] if name in self._done else self._children[name].ready).wait()

    def _request_stop(self) -> None:
        if self._stop_requested.is_set():
            self._hurry.set()
        self._stop_requested.set()

    async def _stop_all(self) -> None:
        for group in STOP_ORDER:
            await asyncio.gather(*(self._children[name].stop(self._hurry) for name in group if name in self._children))

    def _changed(self, child: Child) -> None:
        order = [name for group in STOP_ORDER for name in group]
        known = sorted(self._children.values(), key=lambda each: order.index(each.program.name))
        processes = [
            Process(name=c.program.name, identity=c.identity, port=c.program.port, stop_signal=c.program.stop_signal)
            for c in known
            if c.identity is not None and c.state != "stopped"
        ]
        write_running(self._folder, Running(supervisor=identify(os.getpid()), port=self._port, processes=processes))
        self._on_change(child)
