"""Who sends a request: from its access token or session cookie, in one round trip to Redis or, failing that, to Postgres.

A request costs three steps, so that its rate limit can travel with the look-up (`RequestGate.admit`):

    claimed = identify(bearer=…, cookie=…)            # signatures only; raises 401
    admission = await gate.admit(…, cache_keys(claimed))
    subject = await subject_of(claimed, looked_up(admission.cached))

`authenticate` does all three without a gate. A token's epoch newer than the cached authority's means that the cache is
behind: then Postgres is read. An older one is no fault: rights are not in the token.
"""

import base64
import binascii
import hashlib
import hmac
from uuid import UUID

import msgspec

from backend.errors import AuthenticationRequired
from backend.identity import cache
from backend.identity.cache import NOTHING_SEEN, Lookup, looked_up
from backend.identity.errors import SessionEnded, TokenRefused
from backend.identity.runtime import runtime
from backend.identity.subjects import cached_subject, load_subject
from backend.kit.subject import Subject
from db.repositories import sessions
from db.unit_of_work import unit_of_work
from ops.runtime.crypto import TokenExpired, TokenInvalid, token_hash
from ops.runtime.ids import SessionId, TenantId, UserId

__all__ = [
    "Claimed",
    "authenticate",
    "authenticate_again",
    "authenticate_socket",
    "cache_keys",
    "identify",
    "looked_up",
    "session_cookie",
    "subject_of",
]

SEEN_EVERY_SECONDS = 300
STANDS = b"1"
_IDS_BYTES = 48


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a good signature names; whether the session stands is not known yet."""

    user_id: UserId
    tenant_id: TenantId
    session_id: SessionId
    epoch: int = 0
    by_cookie: bool = False


def session_cookie(session_id: SessionId, user_id: UserId, tenant_id: TenantId) -> str:
    """Return the cookie that stands for a session: its ids and a MAC. It ends when the session's row does."""
    ids = session_id.bytes + user_id.bytes + tenant_id.bytes
    return _encoded(ids + _mac(ids))


def identify(*, bearer: str | None = None, cookie: str | None = None) -> Claimed:
    """Check signatures, without any look-up; a bearer token goes before a cookie.

    Raises:
        AuthenticationRequired: neither was sent.
        TokenRefused: what was sent is not ours or has ended.
    """
    if bearer is not None:
        return _identify_token(bearer)
    if cookie is not None:
        return _identify_cookie(cookie)
    raise AuthenticationRequired


def cache_keys(claimed: Claimed) -> tuple[str, ...]:
    """Return what to read from Redis for this request; give the answers to `looked_up`."""
    return cache.keys(claimed.session_id, claimed.user_id)


async def subject_of(claimed: Claimed, seen: Lookup = NOTHING_SEEN) -> Subject:
    """Return the subject, from what the cache showed or else from Postgres.

    Raises:
        SessionEnded: the session was revoked or has ended, or the person was disabled or deleted.
    """
    generation = seen.generation
    if generation is None:
        generation = await runtime().cache.generation()
    if seen.session is None:
        await _check_session(claimed, generation)
    if seen.authority is not None:
        subject = cached_subject(seen.authority, claimed.session_id)
        if subject.authority_epoch >= claimed.epoch:
            return subject
    loaded = await load_subject(claimed.user_id, generation)
    if loaded is None or loaded.tenant_id != claimed.tenant_id:
        raise SessionEnded
    return msgspec.structs.replace(loaded, session_id=claimed.session_id)


async def authenticate(*, bearer: str | None = None, cookie: str | None = None) -> Subject:
    """Return who sends this, or raise what `identify` and `subject_of` raise."""
    claimed = identify(bearer=bearer, cookie=cookie)
    return await subject_of(claimed, await runtime().cache.look_up(claimed.session_id, claimed.user_id))


async def authenticate_again(subject: Subject) -> Subject:
    """Return the same person with the rights of now: for connections that outlive a request.

    Raises:
        SessionEnded: as `subject_of`.
    """
    if subject.session_id is None:
        raise SessionEnded
    claimed = Claimed(user_id=subject.user_id, tenant_id=subject.tenant_id, session_id=subject.session_id)
    return await subject_of(claimed, await runtime().cache.look_up(claimed.session_id, claimed.user_id))


async def authenticate_socket(token: str) -> Subject:
    """Return who opens a WebSocket with this access token or single-use ticket.

    Raises:
        TokenRefused, SessionEnded: as for a request.
    """
    if "." in token:
        return await authenticate(bearer=token)
    async with unit_of_work() as uow:
        used = await sessions.use_one_time(uow, "ws-ticket", token_hash(token))
    if used is None or used.session_id is None:
        raise TokenRefused
    return await subject_of(Claimed(user_id=used.user_id, tenant_id=used.tenant_id, session_id=used.session_id))


async def _check_session(claimed: Claimed, generation: bytes | None) -> None:
    session = await sessions.live(claimed.session_id)
    if session is None or (session.user_id, session.tenant_id) != (claimed.user_id, claimed.tenant_id):
        raise SessionEnded
    if generation is not None:
        await runtime().cache.store_session(generation, claimed.session_id, STANDS, session.seconds_left)
    if session.seconds_unseen > SEEN_EVERY_SECONDS:
        await sessions.seen(claimed.session_id)


def _identify_token(token: str) -> Claimed:
    try:
        claims = runtime().access_tokens.verify(token)
    except TokenExpired as error:
        raise TokenRefused("This access token has ended; refresh it.") from error
    except TokenInvalid as error:
        raise TokenRefused("This is not a valid access token.") from error
    return Claimed(user_id=claims.user_id, tenant_id=claims.tenant_id, session_id=claims.session_id, epoch=claims.epoch)


def _identify_cookie(cookie: str) -> Claimed:
    try:
        raw = base64.b64decode(cookie + "=" * (-len(cookie) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise TokenRefused("The session cookie is not one of ours.") from error
    ids, mac = raw[:_IDS_BYTES], raw[_IDS_BYTES:]
    if len(ids) != _IDS_BYTES or not hmac.compare_digest(mac, _mac(ids)) or _encoded(raw) != cookie:
        raise TokenRefused("The session cookie is not one of ours.")
    session_id, user_id, tenant_id = (UUID(bytes=ids[start : start + 16]) for start in (0, 16, 32))
    return Claimed(
        user_id=UserId(user_id), tenant_id=TenantId(tenant_id), session_id=SessionId(session_id), by_cookie=True
    )


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _mac(ids: bytes) -> bytes:
    return hmac.new(runtime().cookie_key, ids, hashlib.sha256).digest()
