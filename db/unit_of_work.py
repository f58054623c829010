"""The one owner of transactions.

    async with unit_of_work() as uow:
        ...repositories...
        await uow.audit(subject, "course.created", {"course_id": str(course_id)})
        await uow.enqueue(INGEST, IngestArgs(...), subject=subject)
        await uow.emit(COURSE_CREATED, CourseEvent(...), subject=subject)

Everything inside is committed together or not at all; job ids go to Redis only after the commit. Nesting is refused, and
no task may be started inside: a task inherits the transaction's connection (`asyncio.create_task` needs an empty context).
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self
from uuid import UUID

from piccolo.engine.postgres import PostgresTransaction

from db import query
from db.acts import Act, taken_key
from db.dispatch import Dispatch, dispatcher
from db.engine import ACQUIRE_TIMEOUT_SECONDS, ENGINE
from db.enqueue import Place, insert_job
from db.errors import DatabaseError, DatabaseUnavailable, LeaseLost, translated
from db.events import EventKind, Payload, insert_events
from db.jobs import Args, Claim, JobKind
from ops.runtime.context import request_id, service_name
from ops.runtime.ids import JobId, new_id
from ops.runtime.logging import get_logger

log = get_logger(__name__)

AfterCommit = Callable[[], Awaitable[None]]
ANYWHERE: Final = Place()


class NestedUnitOfWork(DatabaseError):
    """A unit of work was opened inside another: pass the outer one instead."""


class Principal(Protocol):
    """Whoever acts: `backend.kit.subject.Subject` or a stand-in of a process."""

    @property
    def tenant_id(self) -> UUID: ...
    @property
    def user_id(self) -> UUID | None: ...


class _Transaction(PostgresTransaction):
    """Piccolo's transaction, except that a failing commit or rollback still frees the connection and the context."""

    async def __aenter__(self) -> Self:
        if self.engine.pool is None:
            raise DatabaseUnavailable("the pool is not open")
        self._pool = self.engine.pool
        self.connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS)
        try:
            self.transaction = self.connection.transaction()
            await self.begin()  # type: ignore[no-untyped-call]
        except BaseException:
            await self._pool.release(self.connection)
            raise
        self.context = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        try:
            if exception is None:
                await self.commit()  # type: ignore[no-untyped-call]
            else:
                await self._roll_back()
        finally:
            self.engine.current_transaction.reset(self.context)
            await self._pool.release(self.connection)
        return False

    async def _roll_back(self) -> None:
        """Undo; a connection that cannot even do that is dropped, which undoes as well, and the first error goes on."""
        try:
            with translated():
                await self.rollback()  # type: ignore[no-untyped-call]
        except DatabaseUnavailable as error:
            log.warning("rollback_failed", error=str(error))
            self.connection.terminate()


class UnitOfWork:
    """One transaction; see the module's text. Proof, as a parameter, that a function runs inside one."""

    def __init__(self) -> None:
        self._transaction: _Transaction | None = None
        self._dispatches: list[Dispatch] = []
        self._after_commit: list[AfterCommit] = []
        self._acts: list[Act] = []

    async def __aenter__(self) -> Self:
        if ENGINE.current_transaction.get() is not None:
            raise NestedUnitOfWork("a unit of work is open already")
        with translated():
            self._transaction = await _Transaction(ENGINE).__aenter__()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._transaction is not None
        with translated():
            if exception is None:
                try:
                    await self._note_acts()
                except BaseException as error:
                    await self._transaction.__aexit__(type(error), error, error.__traceback__)
                    raise
            await self._transaction.__aexit__(exception_type, exception, traceback)
        if exception is None:
            await self._run_after_commit()

    def after_commit(self, action: AfterCommit) -> None:
        """Run `action` when, and only when, the transaction has been committed; its failure is logged, not raised."""
        self._after_commit.append(action)

    async def audit(
        self,
        principal: Principal | None,
        action: str,
        metadata: dict[str, Any] | None = None,
        *,
        sealed: bytes | None = None,
        tenant_id: UUID | None = None,
    ) -> None:
        """Write the audit row of an act.

        Args:
            principal: who acts; None for an act without a known person, such as a failed sign-in.
            action: dotted name, `noun.past_participle`.
            metadata: ids, counts and names of things; never text that a person wrote.
            sealed: such text, sealed with the person's key.
            tenant_id: the tenant when there is no principal.
        """
        await query.execute(
            "INSERT INTO audit_log (id, tenant_id, service_name, user_id, action, metadata, sealed, request_id) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            new_id(),
            principal.tenant_id if principal else tenant_id,
            service_name.get(),
            principal.user_id if principal else None,
            action,
            query.to_json(metadata or {}),
            sealed,
            request_id.get(),
        )
        self._acts.append(Act(action=action, metadata=metadata or {}))

    async def enqueue(
        self,
        kind: JobKind[Args],
        args: Args,
        *,
        subject: Principal,
        subject_id: UUID | None = None,
        place: Place = ANYWHERE,
    ) -> JobId:
        """Accept a job: its row is written in this transaction, its id pushed after the commit.

        Args:
            subject: whose rights the job has; read anew when it runs.
            subject_id: what the job is about, e.g. a document; lists of jobs can be filtered by it.
            place: whose child it is, after which job it comes, or how long it waits.

        Returns:
            The new job's id, or that of the live job with the same dedupe key.
        """
        job_id, is_new = await insert_job(kind, args, subject, subject_id=subject_id, place=place)
        if is_new and place.starts_at_once:
            self._dispatch(kind, job_id)
        return job_id

    async def emit(
        self,
        kind: EventKind[Payload],
        payload: Payload,
        *,
        subject: Principal,
        subject_id: UUID | None = None,
        member: str = "",
    ) -> UUID:
        """Tell of the act: consumers get the event after the commit, in the order of commits, at least once.

        Emit after the rows are changed: their locks then put events about the same thing in order.

        Args:
            subject: who acts.
            subject_id: what the event is about, e.g. a document.
            member: the rest of the name, for a kind that stands for a family.

        Returns:
            The event's id, by which consumers tell a repetition.
        """
        (event_id,) = await insert_events(kind, [payload], subject, subject_id=subject_id, member=member)
        return event_id

    async def emit_each(self, kind: EventKind[Payload], payloads: Sequence[Payload], *, subject: Principal) -> None:
        """Tell of several acts of a kind at once."""
        await insert_events(kind, payloads, subject, subject_id=None, member="")

    def _dispatch(self, kind: JobKind[Any], job_id: JobId) -> None:
        """Push the id after the commit; of many jobs only about as many as may run at once, the relay brings the others."""
        if sum(dispatch.actor == kind.name for dispatch in self._dispatches) < 2 * kind.concurrency_per_tenant:
            self._dispatches.append(Dispatch(kind.name, kind.queue, job_id))

    async def fence(self, claim: Claim) -> None:
        """Hold the job's row to the end of the transaction, so that what follows is written by its present attempt only.

        Raises:
            LeaseLost: a later attempt has the job, or it has ended.
        """
        held = await query.fetch_value(
            "SELECT id FROM jobs WHERE id = $1 AND fencing_token = $2 AND state = 'running' FOR UPDATE",
            claim.job_id,
            claim.fencing_token,
        )
        if held is None:
            raise LeaseLost(f"attempt {claim.attempt} no longer owns job {claim.job_id}")

    async def _note_acts(self) -> None:
        """Say with the request's idempotency key what it has done: whatever dies now, a repetition does not do it again."""
        taken = taken_key.get()
        if taken is not None and self._acts:
            await query.execute(
                """UPDATE idempotency_keys SET act = coalesce(act, '[]') || $4::jsonb
                   WHERE user_id = $1 AND route = $2 AND key = $3 AND status IS NULL""",
                taken.user_id,
                taken.route,
                taken.key,
                query.to_json(self._acts),
            )

    async def _run_after_commit(self) -> None:
        if self._dispatches:
            # The caller's answer does not wait for Redis; the relay pushes what a crash here leaves behind.
            _background(_push(self._dispatches))
        for action in self._after_commit:
            try:
                await action()
            except Exception:
                log.exception("after_commit_failed")


def unit_of_work() -> UnitOfWork:
    """Begin a transaction with ``async with``.

    Raises:
        NestedUnitOfWork: on entry, inside another unit of work.
        DatabaseUnavailable: on entry or exit, when the server is gone; nothing was committed unless exit raised it.
    """
    return UnitOfWork()


_running: set[asyncio.Task[None]] = set()


def _background(work: Awaitable[None]) -> None:
    async def run() -> None:
        await work

    task = asyncio.get_running_loop().create_task(run(), context=contextvars.Context())
    _running.add(task)
    task.add_done_callback(_running.discard)


async def _push(dispatches: list[Dispatch]) -> None:
    sender = dispatcher()
    if sender is None or not await sender.push(dispatches):
        return
    try:
        await query.execute(
            """UPDATE jobs SET pushed_at = now() WHERE id = ANY($1) AND fencing_token = 0 AND retry_at IS NULL""",
            [dispatch.job_id for dispatch in dispatches],  # a worker may have taken one, and put it back, already
        )
    except DatabaseError as error:
        log.warning("push_not_recorded", jobs=len(dispatches), error=type(error).__name__)
