"""Sessions and their refresh families: rotation, a short grace, and the end of a family whose token was used twice.

The successor of a refresh token is a MAC of it. So two tabs that refresh at the same time get the same successor, although
only hashes are stored. The family's session row is locked while it is decided.
"""

import base64
import hashlib
import hmac

import msgspec

from backend.identity.authentication import session_cookie
from backend.identity.errors import SessionNotFound, TokenRefused
from backend.identity.revocation import sessions_ended
from backend.identity.runtime import runtime
from backend.identity.schemas import TokenPair, WebSocketTicket
from backend.kit.subject import Subject
from db.repositories import people
from db.repositories import sessions as rows
from db.repositories.people import CredentialRow
from db.repositories.sessions import LiveSession, RefreshRow, SessionRow
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.crypto import AccessClaims, new_token, token_hash
from ops.runtime.ids import SessionId, TenantId, UserId

ACCESS_TOKEN_SECONDS = 600
SESSION_SECONDS = 30 * 24 * 3600
REFRESH_GRACE_SECONDS = 20
TICKET_SECONDS = 30
USER_AGENT_CHARACTERS = 200


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sign-in comes from, shown to its owner."""

    user_agent: str = ""
    address: str = ""


class OpenedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session just begun or refreshed; a browser's has no refresh token."""

    session_id: SessionId
    user_id: UserId
    tenant_id: TenantId
    epoch: int
    refresh_token: str | None

    def tokens(self) -> TokenPair:
        """Return what an API client gets."""
        assert self.refresh_token is not None
        claims = AccessClaims(
            user_id=self.user_id, tenant_id=self.tenant_id, session_id=self.session_id, epoch=self.epoch
        )
        return TokenPair(
            access_token=runtime().access_tokens.issue(claims, ACCESS_TOKEN_SECONDS),
            refresh_token=self.refresh_token,
            token_type="Bearer",  # noqa: S106 - the scheme of RFC 6750
            expires_in=ACCESS_TOKEN_SECONDS,
        )

    def cookie(self) -> str:
        """Return what a browser gets."""
        return session_cookie(self.session_id, self.user_id, self.tenant_id)


async def begin(uow: UnitOfWork, credential: CredentialRow, origin: Origin, *, refreshable: bool) -> OpenedSession:
    """Begin a session; the credential must be held in this transaction."""
    session_id = await rows.add(
        uow,
        credential.user_id,
        credential.tenant_id,
        user_agent=origin.user_agent.replace("\x00", "")[:USER_AGENT_CHARACTERS],
        address=origin.address,
        lifetime_seconds=SESSION_SECONDS,
    )
    refresh_token = new_token() if refreshable else None
    if refresh_token is not None:
        await rows.add_refresh(uow, session_id, token_hash(refresh_token))
    return OpenedSession(
        session_id=session_id,
        user_id=credential.user_id,
        tenant_id=credential.tenant_id,
        epoch=credential.authority_epoch,
        refresh_token=refresh_token,
    )


async def refresh(refresh_token: str) -> OpenedSession:
    """Exchange a refresh token for its successor.

    Raises:
        TokenRefused: unknown, of an ended session, or used before; in the last case the whole family ends with it.
    """
    known = await rows.refresh_token(token_hash(refresh_token))
    if known is None:
        raise TokenRefused
    async with unit_of_work() as uow:
        opened = await _rotate(uow, known.session_id, refresh_token)
    if opened is None:
        raise TokenRefused
    return opened


async def _rotate(uow: UnitOfWork, session_id: SessionId, refresh_token: str) -> OpenedSession | None:
    session = await rows.hold(uow, session_id)
    if session is None:
        return None
    digest, successor = token_hash(refresh_token), _successor(refresh_token)
    presented = await rows.refresh_token(digest)
    assert presented is not None  # tokens are deleted only long after their session's end
    if presented.used_seconds_ago is None:
        await rows.use_refresh(uow, digest)
        await rows.add_refresh(uow, session_id, token_hash(successor))
        await rows.seen(session_id)
    elif not _in_grace(presented, await rows.refresh_token(token_hash(successor))):
        await _end_family(uow, session_id, session)
        return None
    credential = await people.credential_of(session.user_id)
    if credential is None:
        return None
    return OpenedSession(
        session_id=session_id,
        user_id=session.user_id,
        tenant_id=session.tenant_id,
        epoch=credential.authority_epoch,
        refresh_token=successor,
    )


def _in_grace(presented: RefreshRow, successor: RefreshRow | None) -> bool:
    assert presented.used_seconds_ago is not None
    unused = successor is not None and successor.used_seconds_ago is None
    return unused and presented.used_seconds_ago <= REFRESH_GRACE_SECONDS


async def _end_family(uow: UnitOfWork, session_id: SessionId, session: LiveSession) -> None:
    await rows.revoke(uow, session_id, session.user_id, "refresh-reused")
    await sessions_ended(uow, [session_id])
    await uow.audit(
        None,
        "auth.refresh_reused",
        {"session_id": session_id, "user_id": session.user_id},
        tenant_id=session.tenant_id,
    )


async def own_sessions(subject: Subject) -> list[SessionRow]:
    """Return the person's sessions that still stand, newest first."""
    return await rows.standing(subject.user_id)


async def revoke_own(subject: Subject, session_id: SessionId, *, reason: str = "revoked") -> None:
    """End one of the person's sessions.

    Raises:
        SessionNotFound: it is not theirs, or has ended.
    """
    async with unit_of_work() as uow:
        if not await rows.revoke(uow, session_id, subject.user_id, reason):
            raise SessionNotFound("You have no such session.")
        await sessions_ended(uow, [session_id])
        await uow.audit(subject, "session.revoked", {"session_id": session_id})


async def revoke_own_others(subject: Subject) -> int:
    """End all of the person's sessions but the present one; return how many."""
    async with unit_of_work() as uow:
        ended = await end_all(uow, subject.user_id, "revoked", except_id=subject.session_id)
        await uow.audit(subject, "session.others_revoked", {"sessions": ended})
    return ended


async def end_all(uow: UnitOfWork, user_id: UserId, reason: str, *, except_id: SessionId | None = None) -> int:
    """End a person's sessions in a transaction of somebody else's act; return how many."""
    ended = await rows.revoke_all(uow, user_id, reason, except_id=except_id)
    await sessions_ended(uow, ended)
    return len(ended)


async def sign_out(subject: Subject) -> None:
    """End the present session; the next request with its tokens or cookie is refused, on every replica."""
    if subject.session_id is None:
        return
    async with unit_of_work() as uow:
        await rows.revoke(uow, subject.session_id, subject.user_id, "signed-out")
        await sessions_ended(uow, [subject.session_id])
        await uow.audit(subject, "auth.signed_out", {"session_id": subject.session_id})


async def issue_ticket(subject: Subject) -> WebSocketTicket:
    """Return a ticket that opens one WebSocket of the present session within 30 s."""
    ticket = new_token()
    async with unit_of_work() as uow:
        await rows.add_one_time(
            uow,
            "ws-ticket",
            token_hash(ticket),
            user_id=subject.user_id,
            tenant_id=subject.tenant_id,
            session_id=subject.session_id,
            created_by=subject.user_id,
            lifetime_seconds=TICKET_SECONDS,
        )
    return WebSocketTicket(ticket=ticket, expires_in=TICKET_SECONDS)


def _successor(refresh_token: str) -> str:
    mac = hmac.new(runtime().refresh_key, refresh_token.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
