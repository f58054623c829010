"""One attempt at a job, as the code that does the work sees it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Literal, TypeVar

import msgspec

from backend.jobs.errors import JobStopped
from backend.kit.subject import Subject
from db.enqueue import Place
from db.jobs import Args, Child, Claim, OnChildFailure
from db.repositories import job_families, jobs
from db.repositories.job_families import ChildRow
from db.unit_of_work import UnitOfWork, unit_of_work

REPORT_INTERVAL_SECONDS = 0.4

Border = Literal["begin", "end"]
Also = Callable[[UnitOfWork], Awaitable[None]]
OnBorder = Callable[[str, Border], None]
Tools_co = TypeVar("Tools_co", covariant=True)


class Attempt:
    """Progress and end of the work. Every write through it fails with `LeaseLost` once a later attempt has the job."""

    def __init__(self, claim: Claim, on_border: OnBorder | None = None) -> None:
        self.claim = claim
        self.succeeded = False
        self.waits = False
        self._on_border = on_border
        self._stage = ""
        self._reported_at = 0.0
        self._reporting = asyncio.Lock()

    def begin(self, stage: str) -> None:
        """Note that `stage` begins; tests let the process die at such borders."""
        if self._on_border is not None:
            self._on_border(stage, "begin")

    def end(self, stage: str) -> None:
        """Note that `stage` has ended and its results are stored."""
        if self._on_border is not None:
            self._on_border(stage, "end")

    async def report(self, stage: str, done: int = 0, total: int = 0, also: Also | None = None) -> None:
        """Tell readers how far the stage is, at most every 0.4 s unless the stage is new or complete.

        `also` writes more in the same transaction, e.g. the domain's own view of the progress.

        Raises:
            JobStopped: somebody asked to cancel the job.
            LeaseLost: the job is no longer this attempt's.
        """
        async with self._reporting:
            now = time.monotonic()
            if stage == self._stage and done < total and now < self._reported_at + REPORT_INTERVAL_SECONDS:
                return
            async with unit_of_work() as uow:
                lease = await jobs.report(uow, self.claim, stage, done, total)
                if also is not None:
                    await also(uow)
            if lease == "cancel":
                raise JobStopped
            self._stage, self._reported_at = stage, now

    async def fence(self, uow: UnitOfWork) -> None:
        """Let `uow` commit only while the job is this attempt's; the first statement of a write.

        Raises:
            LeaseLost: it is not.
        """
        await uow.fence(self.claim)

    async def succeed(self, uow: UnitOfWork) -> None:
        """End the job well in the transaction of its effects.

        Raises:
            LeaseLost: the job is no longer this attempt's.
        """
        await jobs.succeed(uow, self.claim)

        async def remember() -> None:
            self.succeeded = True

        uow.after_commit(remember)

    async def children(self) -> Sequence[ChildRow]:
        """Return the jobs this one has asked for, all of them ended; none at its first start."""
        return await job_families.children(self.claim.job_id)

    async def fan_out(self, uow: UnitOfWork, children: Sequence[Child[Any]], on_failure: OnChildFailure) -> None:
        """Ask for `children` and end this attempt; the job starts again, and finds them, when all have ended.

        With `on_failure` "fail" it is dead as soon as one of them is dead or cancelled, and the others are called off;
        with "continue" it is told. The children have the job's own rights. Return after this.

        Raises:
            ValueError: there are no children.
            LeaseLost: the job is no longer this attempt's.
        """
        if not children:
            raise ValueError("a job cannot wait for no children")
        await uow.fence(self.claim)
        place = Place(parent_id=self.claim.job_id)
        for child in children:
            await uow.enqueue(child.kind, child.args, subject=self.claim, subject_id=child.subject_id, place=place)
        await jobs.await_children(uow, self.claim, len(children), on_failure)

        async def remember() -> None:
            self.waits = True

        uow.after_commit(remember)


class Job(msgspec.Struct, Generic[Args, Tools_co], frozen=True, kw_only=True):
    """What an actor is called with. `subject` has its rights as they are now; None when the person is gone or never was."""

    args: Args
    attempt: Attempt
    subject: Subject | None
    tools: Tools_co
