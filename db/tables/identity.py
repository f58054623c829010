"""Tenants, people, what they may do and how they are signed in."""

from piccolo.columns import JSONB, Array, BigInt, Boolean, Bytea, Integer, Text, Timestamptz
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.base import created, moment, primary_key, reference


class Tenant(Table, tablename="tenants", db=ENGINE):
    """A university or school. One of them is the installation's own: people register there."""

    id = primary_key()
    slug = Text(unique=True)
    name = Text()
    is_default = Boolean(default=False)
    created_at = created()
    updated_at = created()
    deleted_at = moment()


class User(Table, tablename="users", db=ENGINE):
    """A person. `data_key` is the person's own key, wrapped by the master key; what they write is sealed with it."""

    id = primary_key()
    tenant_id = reference(Tenant)
    email = Text()
    email_normalised = Text()
    display_name = Text()
    password_hash = Text(null=True, default=None)
    state = Text(default="active")
    locale = Text(default="en")
    preferences = JSONB(default="{}")
    authority_epoch = BigInt(default=1)
    data_key = Bytea(default=b"")
    is_demo = Boolean(default=False)
    created_at = created()
    updated_at = created()
    deleted_at = moment()
    purge_after = moment()


class Role(Table, tablename="roles", db=ENGINE):
    """A named set of permissions of one tenant."""

    id = primary_key()
    tenant_id = reference(Tenant)
    name = Text()
    permissions = Array(base_column=Text(), default=list)
    is_builtin = Boolean(default=False)
    created_at = created()
    updated_at = created()
    deleted_at = moment()


class AuthSession(Table, tablename="auth_sessions", db=ENGINE):
    """One sign-in on one device: the family its refresh tokens belong to."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    user_id = reference(User)
    user_agent = Text()
    address = Text()
    created_at = created()
    last_seen_at = created()
    expires_at = Timestamptz()
    revoked_at = moment()
    revoked_reason = Text(null=True, default=None)


class RefreshToken(Table, tablename="refresh_tokens", db=ENGINE):
    """One refresh token of a family, as SHA-256."""

    id = primary_key()
    session_id = reference(AuthSession)
    token_hash = Bytea(unique=True)
    issued_at = created()
    used_at = moment()


class OneTimeToken(Table, tablename="one_time_tokens", db=ENGINE):
    """A token that works once: a sign-in link made by an administrator, or a ticket for a WebSocket."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    user_id = reference(User)
    session_id = reference(AuthSession, null=True)
    purpose = Text()
    token_hash = Bytea(unique=True)
    created_by = UUIDColumn(null=True, default=None)
    created_at = created()
    expires_at = Timestamptz()
    used_at = moment()


class LoginFailure(Table, tablename="login_failures", db=ENGINE):
    """Failed sign-ins of one e-mail address, known or not, by its SHA-256."""

    email_hash = Bytea(primary_key=True, default=b"")
    failures = Integer(default=0)
    last_failed_at = created()
    locked_until = moment()


class IdempotencyKey(Table, tablename="idempotency_keys", db=ENGINE):
    """The first answer to a creating request, given again to its repetitions for 24 hours; `act` is what it has done."""

    id = primary_key()
    user_id = reference(User, index=False)
    key = Text()
    route = Text()
    body_hash = Bytea()
    act = JSONB(null=True, default=None)
    status = Integer(null=True, default=None)
    headers = JSONB(null=True, default=None)
    body = Bytea(null=True, default=None)
    created_at = created()
