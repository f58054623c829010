"""Tells every replica, in the transaction of the act, that rights or sessions end; the protocol is in `cache`."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from backend.identity import cache
from backend.identity.runtime import runtime
from db.repositories import identity
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import SessionId


async def rights_changed(uow: UnitOfWork, user_ids: Iterable[UUID]) -> None:
    """Call in every transaction that changes what these people may do, or how they are called."""
    rows = await identity.raise_epochs(uow, user_ids)
    await _bury(uow, [(cache.authority_key(row.user_id), row.authority_epoch) for row in rows])


async def sessions_ended(uow: UnitOfWork, session_ids: Sequence[SessionId]) -> None:
    """Call in every transaction that revokes sessions."""
    await _bury(uow, [(cache.session_key(each), cache.REVOKED_SESSION_EPOCH) for each in session_ids])


async def _bury(uow: UnitOfWork, entries: list[tuple[str, int]]) -> None:
    if not entries:
        return
    rights = runtime().cache

    async def again() -> None:
        await rights.bury(entries, insist=True)

    await rights.bury(entries, insist=False)
    uow.after_commit(again)
