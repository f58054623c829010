"""Sign-ins: sessions, the refresh tokens of their families, tokens that work once, and failed attempts.

All times are the database's, so that replicas need no common clock.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import SessionId, TenantId, UserId, new_id

Purpose = Literal["sign-in-link", "ws-ticket"]


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in as its owner sees it."""

    id: SessionId
    user_agent: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class LiveSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session that still stands, with the seconds it has left and those since it was last seen."""

    user_id: UserId
    tenant_id: TenantId
    seconds_left: float
    seconds_unseen: float


class RefreshRow(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token; `used_seconds_ago` is None while it has not been used."""

    session_id: SessionId
    used_seconds_ago: float | None


class OneTimeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A token that has just been used up."""

    user_id: UserId
    tenant_id: TenantId
    session_id: SessionId | None


SESSION = ", ".join(SessionRow.__struct_fields__)
_STANDS = "revoked_at IS NULL AND expires_at > now()"
_LIVE = f"""
SELECT user_id, tenant_id, extract(epoch FROM expires_at - now())::float8 AS seconds_left,
       extract(epoch FROM now() - last_seen_at)::float8 AS seconds_unseen
FROM auth_sessions WHERE id = $1 AND {_STANDS}
"""


async def add(
    uow: UnitOfWork, user_id: UUID, tenant_id: UUID, *, user_agent: str, address: str, lifetime_seconds: int
) -> SessionId:
    """Begin a session."""
    del uow
    session_id = SessionId(new_id())
    await query.execute(
        """INSERT INTO auth_sessions (id, tenant_id, user_id, user_agent, address, created_at, last_seen_at, expires_at)
           VALUES ($1, $2, $3, $4, $5, now(), now(), now() + $6 * interval '1 second')""",
        session_id,
        tenant_id,
        user_id,
        user_agent,
        address,
        float(lifetime_seconds),
    )
    return session_id


async def live(session_id: UUID) -> LiveSession | None:
    """Return the session if it still stands."""
    return await query.fetch_one(LiveSession, _LIVE, session_id)


async def hold(uow: UnitOfWork, session_id: UUID) -> LiveSession | None:
    """Return the session if it still stands, its row locked: one rotation or revocation of a family at a time."""
    del uow
    return await query.fetch_one(LiveSession, f"{_LIVE} FOR UPDATE", session_id)


async def seen(session_id: UUID) -> None:
    """Note that the session was used now."""
    await query.execute("UPDATE auth_sessions SET last_seen_at = now() WHERE id = $1", session_id)


async def standing(user_id: UUID) -> list[SessionRow]:
    """Return a person's sessions that still stand, newest first."""
    return await query.fetch(
        SessionRow,
        f"SELECT {SESSION} FROM auth_sessions WHERE user_id = $1 AND {_STANDS} ORDER BY id DESC LIMIT 200",
        user_id,
    )


async def revoke(uow: UnitOfWork, session_id: UUID, user_id: UUID, reason: str) -> bool:
    """End a session of that person; return whether it stood."""
    del uow
    touched = await query.execute(
        f"UPDATE auth_sessions SET revoked_at = now(), revoked_reason = $3 WHERE id = $1 AND user_id = $2 AND {_STANDS}",
        session_id,
        user_id,
        reason,
    )
    return touched == 1


async def revoke_all(uow: UnitOfWork, user_id: UUID, reason: str, *, except_id: UUID | None = None) -> list[SessionId]:
    """End a person's sessions and return which stood."""
    del uow
    return await query.fetch_values(
        f"""WITH held AS (SELECT id FROM auth_sessions WHERE user_id = $1 AND {_STANDS} AND id IS DISTINCT FROM $3
                          ORDER BY id FOR UPDATE)
            UPDATE auth_sessions SET revoked_at = now(), revoked_reason = $2 FROM held WHERE auth_sessions.id = held.id
            RETURNING auth_sessions.id""",
        user_id,
        reason,
        except_id,
    )


async def add_refresh(uow: UnitOfWork, session_id: UUID, token_hash: bytes) -> None:
    """Add the family's newest refresh token."""
    del uow
    await query.execute(
        "INSERT INTO refresh_tokens (id, session_id, token_hash, issued_at) VALUES ($1, $2, $3, now())",
        new_id(),
        session_id,
        token_hash,
    )


async def refresh_token(token_hash: bytes) -> RefreshRow | None:
    """Return a refresh token of any family."""
    return await query.fetch_one(
        RefreshRow,
        """SELECT session_id, extract(epoch FROM clock_timestamp() - used_at)::float8 AS used_seconds_ago
           FROM refresh_tokens WHERE token_hash = $1""",
        token_hash,
    )


async def use_refresh(uow: UnitOfWork, token_hash: bytes) -> None:
    """Mark a refresh token as used."""
    del uow
    await query.execute("UPDATE refresh_tokens SET used_at = clock_timestamp() WHERE token_hash = $1", token_hash)


async def add_one_time(
    uow: UnitOfWork,
    purpose: Purpose,
    token_hash: bytes,
    *,
    user_id: UUID,
    tenant_id: UUID,
    session_id: UUID | None,
    created_by: UUID | None,
    lifetime_seconds: int,
) -> datetime:
    """Add a token that works once; return when it ends."""
    del uow
    expires_at: datetime = await query.fetch_value(
        """INSERT INTO one_time_tokens (id, tenant_id, user_id, session_id, purpose, token_hash, created_by, created_at, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, now(), now() + $8 * interval '1 second') RETURNING expires_at""",
        new_id(),
        tenant_id,
        user_id,
        session_id,
        purpose,
        token_hash,
        created_by,
        float(lifetime_seconds),
    )
    return expires_at


async def use_one_time(uow: UnitOfWork, purpose: Purpose, token_hash: bytes) -> OneTimeRow | None:
    """Use a token up; None when there is none, or its time or its one use is over."""
    del uow
    return await query.fetch_one(
        OneTimeRow,
        """UPDATE one_time_tokens SET used_at = now()
           WHERE token_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > now()
           RETURNING user_id, tenant_id, session_id""",
        token_hash,
        purpose,
    )


async def unused_one_time(purpose: Purpose, token_hash: bytes) -> OneTimeRow | None:
    """Return a token that could be used now, without using it."""
    return await query.fetch_one(
        OneTimeRow,
        """SELECT user_id, tenant_id, session_id FROM one_time_tokens
           WHERE token_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > now()""",
        token_hash,
        purpose,
    )


async def withdraw_one_time(uow: UnitOfWork, purpose: Purpose, user_id: UUID) -> None:
    """Make a person's unused tokens of this purpose worthless."""
    del uow
    await query.execute(
        "UPDATE one_time_tokens SET used_at = now() WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL",
        user_id,
        purpose,
    )


async def locked_seconds(email_hash: bytes) -> float:
    """Return for how many seconds more sign-ins with this address are refused (0: not)."""
    return float(
        await query.fetch_value(
            """SELECT extract(epoch FROM locked_until - clock_timestamp())::float8 FROM login_failures
               WHERE email_hash = $1 AND locked_until > clock_timestamp()""",
            email_hash,
        )
        or 0.0
    )


async def hold_failures(uow: UnitOfWork, email_hash: bytes) -> float:
    """As `locked_seconds`, the row locked until the transaction ends."""
    del uow
    await query.execute("SELECT FROM login_failures WHERE email_hash = $1 FOR UPDATE", email_hash)
    return await locked_seconds(email_hash)


async def add_failure(
    uow: UnitOfWork, email_hash: bytes, *, allowed: int, first_lock_seconds: int, longest_lock_seconds: int
) -> float | None:
    """Count a failed sign-in; return the seconds it locks for (0: it does not), or None when the address was locked already.

    The lock doubles with each failure beyond `allowed`; a day without failures forgets them.
    """
    del uow
    return await query.fetch_value(  # type: ignore[no-any-return]
        """INSERT INTO login_failures AS f (email_hash, failures, last_failed_at, locked_until)
           VALUES ($1, 1, clock_timestamp(), NULL)
           ON CONFLICT (email_hash) DO UPDATE SET
               failures = CASE WHEN f.last_failed_at < now() - interval '1 day' THEN 1 ELSE f.failures + 1 END,
               last_failed_at = clock_timestamp(),
               locked_until = CASE WHEN f.last_failed_at < now() - interval '1 day' OR f.failures + 1 < $2 THEN NULL
                   ELSE clock_timestamp() + interval '1 second' * least($4::float8, $3::float8 * 2 ^ least(f.failures + 1 - $2, 30))
                   END
           WHERE f.locked_until IS NULL OR f.locked_until <= clock_timestamp()
           RETURNING coalesce(extract(epoch FROM locked_until - last_failed_at), 0)::float8""",
        email_hash,
        allowed,
        float(first_lock_seconds),
        float(longest_lock_seconds),
    )


async def forget_failures(uow: UnitOfWork, email_hash: bytes) -> None:
    """A success clears the count."""
    del uow
    await query.execute("DELETE FROM login_failures WHERE email_hash = $1", email_hash)


async def purge(uow: UnitOfWork, retention_days: int) -> int:
    """Delete tokens, sessions and failures that ended `retention_days` ago; return how many sessions."""
    del uow
    for statement in (
        "DELETE FROM one_time_tokens WHERE expires_at < now() - $1 * interval '1 day'",
        "DELETE FROM login_failures WHERE last_failed_at < now() - $1 * interval '1 day'",
        """DELETE FROM refresh_tokens r USING auth_sessions s
           WHERE s.id = r.session_id AND s.expires_at < now() - $1 * interval '1 day'""",
    ):
        await query.execute(statement, float(retention_days))
    return await query.execute(
        """DELETE FROM auth_sessions s WHERE s.expires_at < now() - $1 * interval '1 day'
           AND NOT EXISTS (SELECT FROM one_time_tokens t WHERE t.session_id = s.id)""",
        float(retention_days),
    )
