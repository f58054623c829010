"""What happens to the processes and servers of a run, at random."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import psutil

from tests.chaos.ledger.site import Kept, Scale, Site

PAUSE_SECONDS = (0.5, 2.5)
PATIENCE_SECONDS = 15.0
ENOUGH_WORKERS = 2
DOWN_SECONDS = (0.1, 1.5)
STOPPED_LEASES = (1.5, 3.0)
SHARES = {
    "kill worker": 10,
    "kill enqueuer": 3,
    "kill clock": 4,
    "kill lease keeper": 2,
    "stop worker": 5,
    "stop clock": 2,
    "stop enqueuer": 2,
    "kill and empty valkey": 3,
    "end sessions": 4,
    "stop postgres at once": 1,
    "kill postgres": 1,
}


class WorkerKill(NamedTuple):
    """When which worker process was killed (-9), in seconds of the wall clock."""

    pid: int
    at: float


class Killer:
    """Does one thing after the other; what was stopped goes on beside that."""

    def __init__(self, site: Site, seed: int, scale: Scale, only: str = "") -> None:
        self._site = site
        self._chosen = random.Random(f"killer {seed}")
        self._lease_seconds = scale.lease_seconds
        self._shares = {name: share for name, share in SHARES.items() if name.startswith(only)}
        self._stopped: set[asyncio.Task[None]] = set()
        self.done: Counter[str] = Counter()
        self.worker_kills: list[WorkerKill] = []

    async def run(self, until: Callable[[], bool]) -> None:
        """Go on until `until` says so, then let everything that is stopped continue."""
        while not until():
            await asyncio.sleep(self._chosen.uniform(*PAUSE_SECONDS))
            await self._until_somebody_works()
            (name,) = self._chosen.choices(list(self._shares), list(self._shares.values()))
            if await self._acts[name](self):
                self.done[name] += 1
        if self._stopped:
            await asyncio.wait(self._stopped)

    async def _until_somebody_works(self) -> None:
        """Wait, though not for ever, until what was killed has been replaced: a machine may need long to start a process."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up_at:
            workers = sum(kept.pid is not None for kept in self._site.workers)
            if workers >= ENOUGH_WORKERS and self._one_of(self._site.clocks) is not None:
                return
            await asyncio.sleep(0.1)

    async def _kill_worker(self) -> bool:
        kept = self._one_of(self._site.workers)
        if kept is None or kept.pid is None:
            return False
        self.worker_kills.append(WorkerKill(kept.pid, time.time()))
        kept.kill()
        return True

    async def _kill_enqueuer(self) -> bool:
        return self._kill(self._one_of([self._site.enqueuer]))

    async def _kill_clock(self) -> bool:
        return self._kill(self._one_of(self._site.clocks))

    async def _kill_keeper(self) -> bool:
        kept = self._one_of(self._site.workers)
        if kept is None or kept.pid is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(kept.pid).children():
                child.kill()
        return True

    async def _stop_worker(self) -> bool:
        return self._stop(self._one_of(self._site.workers))

    async def _stop_clock(self) -> bool:
        return self._stop(self._one_of(self._site.clocks))

    async def _stop_enqueuer(self) -> bool:
        return self._stop(self._one_of([self._site.enqueuer]))

    async def _empty_valkey(self) -> bool:
        await self._site.valkey.kill()
        await self._stay_down()
        await self._site.valkey.start()
        return True

    async def _end_sessions(self) -> bool:
        await self._site.postgres.terminate_backends(self._chosen.uniform(0.2, 1.0))
        return True

    async def _stop_postgres(self) -> bool:
        return await self._restart_postgres(signal.SIGQUIT)

    async def _kill_postgres(self) -> bool:
        return await self._restart_postgres(signal.SIGKILL)

    async def _restart_postgres(self, number: int) -> bool:
        await self._site.postgres.stop(number)
        await self._stay_down()
        await self._site.postgres.start()
        return True

    async def _stay_down(self) -> None:
        await asyncio.sleep(self._chosen.uniform(*DOWN_SECONDS))

    def _one_of(self, among: list[Kept]) -> Kept | None:
        running = [kept for kept in among if kept.pid is not None]
        return self._chosen.choice(running) if running else None

    def _kill(self, kept: Kept | None) -> bool:
        if kept is None:
            return False
        kept.kill()
        return True

    def _stop(self, kept: Kept | None) -> bool:
        """Stop the process for longer than a lease, beside whatever else happens."""
        if kept is None or kept.pid is None:
            return False
        seconds = self._lease_seconds * self._chosen.uniform(*STOPPED_LEASES)
        task = asyncio.create_task(_stand_still(kept.pid, seconds))
        self._stopped.add(task)
        task.add_done_callback(self._stopped.discard)
        return True

    _acts: dict[str, Callable[["Killer"], Awaitable[bool]]] = {  # noqa: RUF012
        "kill worker": _kill_worker,
        "kill enqueuer": _kill_enqueuer,
        "kill clock": _kill_clock,
        "kill lease keeper": _kill_keeper,
        "stop worker": _stop_worker,
        "stop clock": _stop_clock,
        "stop enqueuer": _stop_enqueuer,
        "kill and empty valkey": _empty_valkey,
        "end sessions": _end_sessions,
        "stop postgres at once": _stop_postgres,
        "kill postgres": _kill_postgres,
    }


async def _stand_still(pid: int, seconds: float) -> None:
    """SIGSTOP, and SIGCONT later; it may have been killed meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
