"""A missing permission is an act worth an audit row, whichever way the refused request came."""

from backend.kit.subject import Subject
from db.acts import taken_key
from db.errors import DatabaseError
from db.unit_of_work import unit_of_work
from ops.runtime.logging import get_logger

log = get_logger(__name__)


async def audit_refusal(subject: Subject, permission: str, *, method: str | None, route: str | None) -> None:
    """Store that the permission was refused; a database that is away only costs the row, not the refusal."""
    taken_key.set(None)  # a refusal is not what an idempotency key protects
    about = {"permission": permission, "method": method, "route": route}
    try:
        async with unit_of_work() as uow:
            await uow.audit(subject, "permission.refused", about)
    except DatabaseError as error:
        log.warning("refusal_not_audited", error=type(error).__name__, **about)
