"""The worker's end of its lease keeper (`db.lease_keeper`): what this process cannot do while something holds its lock."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from uuid import UUID

import msgspec

from db.jobs import Claim
from db.lease_keeper import Beat, Begin, Change, Hold, Order
from ops.runtime.logging import get_logger

log = get_logger(__name__)

END_SECONDS = 5.0
BEAT_SECONDS = 1.0
SILENCE_SECONDS = 30.0


class LeaseKeeper:
    """A process that renews the leases of the attempts it is told of; should it die, the next order starts another.

    It kills this process when the event loop has not turned for `silence_seconds`, beyond what the attempts may take.
    """

    def __init__(self, database_url: str, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._database_url = database_url
        self._silence_seconds = silence_seconds
        self._held: dict[UUID, Hold] = {}
        self._released: list[UUID] = []
        self._process = self._start()

    def hold(self, claims: Sequence[tuple[Claim, float]], lease_seconds: float) -> None:
        """Renew the attempts' leases from now on, each for as many seconds as stand beside it."""
        held = [
            Hold(
                job_id=claim.job_id,
                fencing_token=claim.fencing_token,
                lease_seconds=lease_seconds,
                limit_seconds=limit_seconds,
            )
            for claim, limit_seconds in claims
        ]
        self._held.update((order.job_id, order) for order in held)
        self._change(held)

    def release(self, claim: Claim) -> None:
        """Renew the attempt's lease no more. That may be told a second later, for what has ended has no lease."""
        held = self._held.get(claim.job_id)
        if held is not None and held.fencing_token == claim.fencing_token:
            del self._held[claim.job_id]
            self._released.append(claim.job_id)

    async def beat(self) -> None:
        """Tell it that the event loop turns, until cancelled."""
        while True:
            if self._released:
                self._change([])
            else:
                self._tell(Beat())
            await asyncio.sleep(BEAT_SECONDS)

    def close(self) -> None:
        """End the process."""
        self._end(self._process)

    def _change(self, held: list[Hold]) -> None:
        released, self._released = self._released, []
        self._tell(Change(released=released, held=held))

    def _tell(self, order: Order) -> None:
        try:
            self._write(self._process, order)
        except OSError as error:  # it is gone, or so far behind that its pipe is full
            log.warning("lease_keeper_restarted", error=type(error).__name__)
            self._end(self._process)
            self._process = self._start()
            self._write(self._process, Change(released=[], held=list(self._held.values())))

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "db.lease_keeper"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        begin = Begin(database_url=self._database_url, worker_pid=os.getpid(), silence_seconds=self._silence_seconds)
        self._write(process, begin)
        return process

    @staticmethod
    def _write(process: "subprocess.Popen[bytes]", order: Order) -> None:
        assert process.stdin is not None
        line = msgspec.json.encode(order) + b"\n"
        if os.write(process.stdin.fileno(), line) < len(line):
            raise BlockingIOError("half an order is none")

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
