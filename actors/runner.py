"""Runs one job from its claim to its end.

Whatever happens to the process between two lines here, the job's row tells the clock what to do: a running job without
a lease, or whose worker is gone, is given back; effects are written only under the attempt's fencing token.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec

from actors.actor import Actor
from actors.context import attempt_context, log_failure
from actors.families import REGISTRY, tell_of_end
from actors.keeper import LeaseKeeper
from actors.lease import LEASE_SECONDS, Leases
from actors.succession import bring_forward
from actors.tools import Tools
from backend.errors import LyceumError
from backend.identity.errors import PersonNotFound
from backend.identity.subjects import subject_for_user
from backend.jobs.attempt import Attempt, Job, OnBorder
from backend.jobs.errors import JobStopped, PermanentFailure
from backend.kit.subject import Subject
from db.errors import DatabaseError, DatabaseUnavailable, LeaseLost
from db.jobs import Claim, JobError
from db.repositories import job_upkeep, jobs
from db.repositories.claim_batches import claim_plain
from db.repositories.claims import claim_next
from db.unit_of_work import unit_of_work
from ops.runtime.ids import UserId
from ops.runtime.logging import get_logger
from ops.runtime.telemetry import GoldenSignals

log = get_logger(__name__)

SIGNALS = GoldenSignals("jobs")
STOP_SECONDS = 5.0
DATABASE_PATIENCE_SECONDS = 30.0

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Ending = Literal["succeeded", "fanned-out", "cancelled", "handed-back", "lost"] | JobError


class Retryable(msgspec.Struct, frozen=True):
    """A failure worth another try, after a pause of at least so long."""

    error: JobError
    pause_seconds: float = 0.0


class Runner:
    """Claims jobs and does their attempts on the worker's loop."""

    def __init__(
        self,
        worker_id: UUID,
        tools: Tools,
        on_border: OnBorder | None = None,
        lease_seconds: float = LEASE_SECONDS,
        keeper: LeaseKeeper | None = None,
    ) -> None:
        self._worker_id = worker_id
        self._tools = tools
        self._on_border = on_border
        self._lease_seconds = lease_seconds
        self._leases = Leases(lease_seconds)
        self._keeper = keeper
        self._draining = False
        self.running: set[UUID] = set()

    def drain(self) -> None:
        """Start nothing any more."""
        self._draining = True

    def hand_back(self) -> None:
        """Stop what runs and return it unfinished; its attempts do not count."""
        self._draining = True
        self._leases.stop_all()

    async def run(self, job_id: UUID) -> None:
        """Claim the job, or one of its queue that is more urgent, and do one attempt."""
        async for claim in self.claim([job_id]):
            await self.perform(claim)
            await bring_forward([claim])

    async def claim(self, messages: Sequence[UUID]) -> AsyncIterator[Claim]:
        """Claim a job for each message of a queue: the one it names, a more urgent one, or none when none may start.

        Each claim has to be given to `perform` or to `give_back`.
        """
        plain = await self._patiently(self._claim_plain, messages) if len(messages) > 1 else None
        for claim in plain or ():
            yield claim
        started = {claim.job_id for claim in plain or ()}
        for message in messages:
            if message in started:
                started.discard(message)
            elif (found := await self._patiently(self._claim_next, message)) is not None:
                yield found

    async def perform(self, claim: Claim) -> None:
        """Do the attempt and write its end."""
        self.running.add(claim.job_id)
        try:
            with attempt_context(claim):
                await self._attempt(claim)
        finally:
            self.running.discard(claim.job_id)
            self._release(claim)

    async def give_back(self, claim: Claim) -> None:
        """Return a job that was claimed and not begun; its attempt does not count."""
        try:
            await _write_end(None, Attempt(claim), "handed-back")
        except DatabaseError as error:  # the clock takes it back when its lease has ended
            log.info("claim_not_given_back", error=type(error).__name__)
        finally:
            self._release(claim)

    async def _claim_plain(self, messages: Sequence[UUID]) -> list[Claim]:
        if self._draining:
            return []
        claims = await claim_plain(messages, self._worker_id, self._lease_seconds, list(REGISTRY))
        self._hold(claims)
        return claims

    async def _claim_next(self, message: UUID) -> Claim | None:
        if self._draining:
            await job_upkeep.give_back_message(message)
            return None
        claim = await claim_next(message, self._worker_id, self._lease_seconds, list(REGISTRY))
        if claim is not None:
            self._hold([claim])
        return claim

    async def _patiently(self, ask: Callable[[Asked], Awaitable[Answer]], about: Asked) -> Answer | None:
        """Ask until the database answers; None when it does not for long: the clock sends the messages again."""
        give_up_at = time.monotonic() + DATABASE_PATIENCE_SECONDS
        while True:
            try:
                return await ask(about)
            except DatabaseUnavailable:
                if time.monotonic() >= give_up_at:
                    log.warning("claim_given_up")
                    return None
                await asyncio.sleep(1)

    def _hold(self, claims: Sequence[Claim]) -> None:
        """Keep the leases, before any work may stand in the way of that."""
        for claim in claims:
            self._leases.hold(claim)
        if self._keeper is None or not claims:
            return
        try:
            self._keeper.hold([(claim, _limit_seconds(claim)) for claim in claims], self._lease_seconds)
        except OSError:  # it cannot be started again: nobody here will do these, so the clock may have them
            for claim in claims:
                self._release(claim)
            raise

    def _release(self, claim: Claim) -> None:
        self._leases.release(claim)
        if self._keeper is not None:
            self._keeper.release(claim)

    async def _attempt(self, claim: Claim) -> None:
        started_at = time.perf_counter()
        SIGNALS.started()
        attempt = Attempt(claim, self._on_border)
        actor = REGISTRY.get(claim.kind)
        if actor is None:
            ending: Ending | Retryable = JobError(type="unknown-kind", detail="This version has no such job.")
        else:
            ending = await self._perform(actor, attempt)
        if attempt.succeeded:
            ending = "succeeded"
        elif attempt.waits:
            ending = "fanned-out"
        said = ending if isinstance(ending, str) else _error_of(ending).type
        seconds = time.perf_counter() - started_at
        SIGNALS.ended(claim.kind, "failed" if _is_failure(ending) else str(ending), seconds, failed=_is_failure(ending))
        log.info("attempt_ended", kind=claim.kind, ending=said, took_ms=round(seconds * 1000))
        await self._settle(actor, attempt, ending)

    async def _perform(self, actor: Actor[Any], attempt: Attempt) -> Ending | Retryable:
        claim, stop = attempt.claim, self._leases.stop_of(attempt.claim)
        work = asyncio.create_task(self._work(actor, attempt))
        try:
            limit = actor.kind.time_limit_seconds
            either: set[asyncio.Future[Any]] = {work, stop}
            await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return _ending_of(work)
            late = Retryable(JobError(type="time-limit", detail=f"It took more than {limit:g} s."))
            reason: Ending | Retryable = stop.result() if stop.done() else late
            work.cancel()
            await asyncio.wait({work}, timeout=STOP_SECONDS)
            if not work.done():
                log.error("attempt_does_not_stop")  # its writes are fenced out; the place is free for other work
            return reason
        finally:
            self._release(claim)

    async def _work(self, actor: Actor[Any], attempt: Attempt) -> None:
        claim = attempt.claim
        args = _decoded(actor, claim)
        subject = await _subject_of(claim)
        await actor.run(Job(args=args, attempt=attempt, subject=subject, tools=self._tools))

    async def _settle(self, actor: Actor[Any] | None, attempt: Attempt, ending: Ending | Retryable) -> None:
        """Write the end. Should the database be away, the lease ends and the clock gives the job back."""
        give_up_at = time.monotonic() + self._lease_seconds
        while not (attempt.succeeded or attempt.waits or ending == "lost"):
            try:
                await _write_end(actor, attempt, ending)
            except LeaseLost:
                log.info("attempt_was_replaced")
            except DatabaseUnavailable:
                if time.monotonic() < give_up_at:
                    await asyncio.sleep(0.5)
                    continue
                log.warning("end_not_written")
            return


def _limit_seconds(claim: Claim) -> float:
    actor = REGISTRY.get(claim.kind)
    return actor.kind.time_limit_seconds if actor is not None else 0.0


def _decoded(actor: Actor[Any], claim: Claim) -> Any:
    try:
        return actor.decode(claim.args)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PermanentFailure("arguments-unreadable", "The job's arguments are not what its kind takes.") from error


async def _subject_of(claim: Claim) -> Subject | None:
    try:
        return await subject_for_user(UserId(claim.user_id)) if claim.user_id else None
    except PersonNotFound:
        return None


async def _write_end(actor: Actor[Any] | None, attempt: Attempt, ending: Ending | Retryable) -> None:
    claim = attempt.claim
    async with unit_of_work() as uow:
        if ending == "succeeded":
            await attempt.succeed(uow)
        elif ending == "handed-back":
            await jobs.hand_back(uow, claim)
        elif ending == "cancelled":
            await jobs.cancelled(uow, claim)
            await tell_of_end(uow, claim.ended(None))
        elif not isinstance(ending, str):
            error = _error_of(ending)
            delay = _delay_seconds(actor, claim, ending) if actor and isinstance(ending, Retryable) else None
            if await jobs.fail(uow, claim, error, delay) == "dead":
                await tell_of_end(uow, claim.ended(error))


def _delay_seconds(actor: Actor[Any], claim: Claim, ending: Retryable) -> float:
    """Return the wait by the attempts that are left: neither those handed back nor those before a retry by hand count."""
    retry = actor.kind.retry
    delay = retry.delay_seconds(max(1, retry.max_attempts - (claim.max_attempts - claim.attempt)))
    return max(delay, ending.pause_seconds)


def _is_failure(ending: Ending | Retryable) -> bool:
    return not isinstance(ending, str)


def _error_of(ending: JobError | Retryable) -> JobError:
    return ending.error if isinstance(ending, Retryable) else ending


def _ending_of(work: "asyncio.Task[None]") -> Ending | Retryable:
    """Judge how the work ended: what the person or the input got wrong stays wrong, anything else is tried again."""
    if work.cancelled():
        return "handed-back"
    error = work.exception()
    match error:
        case None:
            return "succeeded"
        case LeaseLost():
            return "lost"
        case JobStopped():
            return "cancelled"
        case PermanentFailure():
            return JobError(type=error.type, detail=error.detail)
        case LyceumError() if error.status < 500:
            return JobError(type=error.type, detail=error.detail)
    if not isinstance(error, DatabaseError):
        log_failure(log, "attempt_failed", error)
    known = error if isinstance(error, LyceumError) else LyceumError()
    failure = JobError(type=_slug(type(error).__name__), detail=known.detail or "It will be tried again.")
    return Retryable(failure, pause_seconds=float(known.retry_after_seconds or 0))


def _slug(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()
