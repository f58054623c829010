"""One-time sign-in links: good for 24 hours and one use, shown once; a new one makes the older ones worthless."""

from backend.identity.escalation import check_own_rights
from backend.identity.runtime import runtime
from backend.identity.schemas import SignInLink
from backend.identity.subjects import subject_for_user
from backend.kit.subject import Subject
from db.repositories import people, sessions
from db.unit_of_work import unit_of_work
from ops.runtime.crypto import new_token, token_hash
from ops.runtime.ids import UserId

LINK_SECONDS = 24 * 3600
LINK_PAGE = "/sign-in/link"


async def make_sign_in_link(subject: Subject, user_id: UserId) -> SignInLink:
    """Make a link for a person of the tenant whose rights do not go beyond one's own: a link is as good as their password.

    Raises:
        PersonNotFound: none, or not active. MoreThanOwnRights
    """
    subject.require("person.write")
    target = await subject_for_user(user_id, tenant_id=subject.tenant_id)
    check_own_rights(subject, {name for grant in target.grants for name in grant.permissions})
    return await make_link(subject, target)


async def make_link(subject: Subject | None, target: Subject) -> SignInLink:
    """Make a link; without a subject the command line makes it."""
    token = new_token()
    async with unit_of_work() as uow:
        await people.hold_credential(uow, target.user_id)
        await sessions.withdraw_one_time(uow, "sign-in-link", target.user_id)
        expires_at = await sessions.add_one_time(
            uow,
            "sign-in-link",
            token_hash(token),
            user_id=target.user_id,
            tenant_id=target.tenant_id,
            session_id=None,
            created_by=subject.user_id if subject else None,
            lifetime_seconds=LINK_SECONDS,
        )
        about = {"user_id": target.user_id, "expires_at": expires_at}
        await uow.audit(subject, "sign_in_link.created", about, tenant_id=target.tenant_id)
    return SignInLink(url=f"{runtime().base_url}{LINK_PAGE}#{token}", token=token, expires_at=expires_at)
