"""Binds functions to job kinds. What a kind is stands in its domain; an actor adds only the function that does the work."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic

import msgspec

from actors.tools import Tools
from backend.jobs.attempt import Job
from backend.jobs.events import tell_end
from db.jobs import Args, EndedJob, JobKind
from db.unit_of_work import UnitOfWork

Run = Callable[[Job[Args, Tools]], Awaitable[None]]
OnEnd = Callable[[UnitOfWork, EndedJob, Args], Awaitable[None]]


class Actor(msgspec.Struct, Generic[Args], frozen=True, kw_only=True):
    """`run` does the work; `on_end` tells the domain, in the transaction that ends the job, that it is dead or cancelled."""

    kind: JobKind[Args]
    run: Run[Args]
    on_end: OnEnd[Args] | None = None

    def decode(self, args: bytes) -> Args:
        """Return the arguments.

        Raises:
            msgspec.DecodeError, msgspec.ValidationError: they were written by another version of the program.
        """
        return msgspec.json.decode(args, type=self.kind.args)

    async def ended(self, uow: UnitOfWork, job: EndedJob) -> None:
        """Call `on_end`; arguments that cannot be read tell nobody."""
        if self.on_end is None:
            return
        try:
            args = self.decode(job.args)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        await self.on_end(uow, job, args)


REGISTRY: dict[str, Actor[Any]] = {}


async def tell_of_end(uow: UnitOfWork, job: EndedJob) -> None:
    """Emit the event of a job that is dead, and tell its domain, if this version has such jobs."""
    await tell_end(uow, job)
    found = REGISTRY.get(job.kind)
    if found is not None:
        await found.ended(uow, job)


def actor(kind: JobKind[Args], *, on_end: OnEnd[Args] | None = None) -> Callable[[Run[Args]], Run[Args]]:
    """Declare the decorated coroutine function as what jobs of `kind` run.

    Raises:
        ValueError: the kind has an actor already.
    """

    def bind(run: Run[Args]) -> Run[Args]:
        if kind.name in REGISTRY:
            raise ValueError(f"the job kind {kind.name} has two actors")
        REGISTRY[kind.name] = Actor(kind=kind, run=run, on_end=on_end)
        return run

    return bind
