"""The worker's end of its lease keeper (`db.lease_keeper`): what this process cannot do while something holds its lock."""

import asyncio
import os
import subprocess
import sys
from uuid import UUID

import msgspec

from db.jobs import Claim
from db.lease_keeper import Beat, Begin, Hold, Order, Release
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
        self._process = self._start()

    def hold(self, claim: Claim, lease_seconds: float, limit_seconds: float) -> None:
        """Renew the attempt's lease from now on, for as long as the attempt may take."""
        order = Hold(
            job_id=claim.job_id,
            fencing_token=claim.fencing_token,
            lease_seconds=lease_seconds,
            limit_seconds=limit_seconds,
        )
        self._held[claim.job_id] = order
        self._tell(order)

    def release(self, claim: Claim) -> None:
        """Renew the attempt's lease no more."""
        if self._held.pop(claim.job_id, None) is not None:
            self._tell(Release(job_id=claim.job_id))

    async def beat(self) -> None:
        """Tell it that the event loop turns, until cancelled."""
        while True:
            self._tell(Beat())
            await asyncio.sleep(BEAT_SECONDS)

    def close(self) -> None:
        """End the process."""
        self._end(self._process)

    def _tell(self, order: Order) -> None:
        try:
            self._write(self._process, order)
        except OSError as error:  # it is gone, or so far behind that its pipe is full
            log.warning("lease_keeper_restarted", error=type(error).__name__)
            self._end(self._process)
            self._process = self._start()
            for held in self._held.values():
                self._write(self._process, held)

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
        os.write(process.stdin.fileno(), msgspec.json.encode(order) + b"\n")

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
