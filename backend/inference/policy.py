"""What the tenant allows to be done with texts, and forgetting the answers that are kept."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from backend.inference.schemas import Forgotten, PolicyChange, PolicyView
from backend.kit.subject import Subject
from db.repositories import identity, quotas
from db.repositories.quotas import PolicyRow
from db.unit_of_work import unit_of_work
from inference_gateway.purge import purge_answers
from ops.runtime.redis import Redis

READ: Final = "inference.read"
WRITE: Final = "inference.write"


async def get_policy(subject: Subject) -> PolicyView:
    """Return what is allowed.

    Raises:
        PermissionMissing
    """
    subject.require(READ)
    return _view(await quotas.policy_of(subject.tenant_id))


async def change_policy(subject: Subject, change: PolicyChange) -> PolicyView:
    """Allow or forbid; the gateway heeds it within half a minute. Texts kept before a consent ends are forgotten.

    Raises:
        PermissionMissing
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        await identity.hold_tenant(uow, subject.tenant_id)
        row = await quotas.policy_of(subject.tenant_id)
        if change.keeps_text is not msgspec.UNSET:
            now = datetime.now(UTC)
            row = msgspec.structs.replace(row, consented_at=(row.consented_at or now) if change.keeps_text else None)
        if change.text_may_leave is not msgspec.UNSET:
            row = msgspec.structs.replace(row, text_may_leave=change.text_may_leave)
        await quotas.put_policy(uow, row, subject.user_id)
        view = _view(row)
        about = {"keeps_text": view.keeps_text, "text_may_leave": view.text_may_leave}
        await uow.audit(subject, "inference_policy.changed", about)
    return view


async def forget_answers(subject: Subject, redis: Redis) -> Forgotten:
    """Forget every answer that is kept for the tenant, so that each question is answered anew.

    Raises:
        PermissionMissing. RedisError: they cannot be forgotten now.
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        await uow.audit(subject, "answers.forgotten", {})
    return Forgotten(count=await purge_answers(redis, f"tenant:{subject.tenant_id}"))


def _view(row: PolicyRow) -> PolicyView:
    return PolicyView(
        keeps_text=row.consented_at is not None, since=row.consented_at, text_may_leave=row.text_may_leave
    )
