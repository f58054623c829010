"""What a domain does when an operator starts one of its dead jobs again.

A domain that is told of a job's end (`on_end` of its actor) says here how to take that back. It may refuse with
`JobObsolete`, when nothing is left to do.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from backend.jobs.errors import JobObsolete
from backend.kit.subject import Subject
from db.jobs import Args, EndedJob, JobKind
from db.unit_of_work import UnitOfWork

OnRetry = Callable[[UnitOfWork, Subject, EndedJob, Args], Awaitable[None]]

HOOKS: dict[str, OnRetry[Any]] = {}


def on_retry(kind: JobKind[Args]) -> Callable[[OnRetry[Args]], OnRetry[Args]]:
    """Declare the decorated coroutine function as what takes back the end of a job of `kind`, in the retry's transaction."""

    def bind(hook: OnRetry[Args]) -> OnRetry[Args]:
        HOOKS[kind.name] = hook
        return hook

    return bind


async def take_back_end(uow: UnitOfWork, subject: Subject, kind: JobKind[Any], job: EndedJob) -> None:
    """Tell the job's domain that it starts again.

    Raises:
        JobObsolete: the domain, or this version of the program, has no use for it.
    """
    try:
        args = msgspec.json.decode(job.args, type=kind.args)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JobObsolete("The job's arguments are not what its kind takes.") from error
    hook = HOOKS.get(kind.name)
    if hook is not None:
        await hook(uow, subject, job, args)
