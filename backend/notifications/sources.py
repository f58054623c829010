"""Webhooks in: which systems elsewhere may tell us."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from backend.kit.pagination import Page, decode_cursor, page_of
from backend.kit.subject import Subject
from backend.notifications.endpoints import PREVIOUS_HOURS, READ, WRITE
from backend.notifications.errors import SourceNameTaken, SourceNotFound, WebhookRefused
from backend.notifications.schemas import CreatedSource, NewSecret, NewSource, SourceView
from backend.notifications.sealing import Secrets
from backend.notifications.signatures import SecretInvalid, new_secret, secret_bytes, secret_text
from db.errors import UniqueViolation
from db.repositories import webhook_sources as rows
from db.repositories.webhook_sources import SourceRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id

ADDRESS = "/api/v1/webhooks/in"


class _After(msgspec.Struct, frozen=True):
    id: UUID


async def list_sources(subject: Subject, base_url: str, *, cursor: str | None, limit: int) -> Page[SourceView]:
    """Return the tenant's sources, oldest first.

    Raises:
        PermissionMissing
        ValidationFailed: the cursor is not of this list.
    """
    subject.require(READ)
    after = decode_cursor(cursor, _After)
    found = await rows.page(subject.tenant_id, after.id if after else None, limit + 1)
    page = page_of(found, limit, lambda row: _After(row.id))
    return Page(items=[_view(row, base_url) for row in page.items], next_cursor=page.next_cursor)


async def get_source(subject: Subject, base_url: str, source_id: UUID) -> SourceView:
    """Return one source.

    Raises:
        PermissionMissing, SourceNotFound
    """
    subject.require(READ)
    return _view(await _found(subject, source_id), base_url)


async def create_source(subject: Subject, base_url: str, secrets: Secrets, new: NewSource) -> CreatedSource:
    """Make a source, with a secret of ours or the one that the other system has made.

    Raises:
        PermissionMissing. SourceNameTaken. WebhookRefused: the secret is none
    """
    subject.require(WRITE)
    source_id, secret, now = new_id(), _secret_of(new), datetime.now(UTC)
    row = SourceRow(
        id=source_id,
        tenant_id=subject.tenant_id,
        name=new.name,
        description=new.description,
        secret=secrets.sealed(source_id, secret),
        previous_secret=None,
        previous_until=None,
        created_by=subject.user_id,
        created_at=now,
        updated_at=now,
        received_at=None,
    )
    try:
        async with unit_of_work() as uow:
            await rows.add(uow, row)
            await uow.audit(subject, "webhook_source.created", {"source_id": str(source_id), "name": new.name})
    except UniqueViolation as error:
        raise SourceNameTaken(new.name) from error
    view = await get_source(subject, base_url, source_id)
    return CreatedSource(**msgspec.structs.asdict(view), secret=secret_text(secret))


async def rotate_secret(subject: Subject, secrets: Secrets, source_id: UUID) -> NewSecret:
    """Replace the secret by a new one of ours; messages signed with the old one are taken for 24 hours more.

    Raises:
        PermissionMissing, SourceNotFound
    """
    subject.require(WRITE)
    secret = new_secret()
    async with unit_of_work() as uow:
        await _found(subject, source_id, lock=True)
        await rows.set_secret(uow, source_id, secrets.sealed(source_id, secret), PREVIOUS_HOURS)
        await uow.audit(subject, "webhook_source.secret_rotated", {"source_id": str(source_id)})
    until = datetime.now(UTC) + timedelta(hours=PREVIOUS_HOURS)
    return NewSecret(secret=secret_text(secret), previous_until=until)


async def delete_source(subject: Subject, source_id: UUID) -> None:
    """Delete a source; what it sends from now on is refused.

    Raises:
        PermissionMissing, SourceNotFound
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        row = await _found(subject, source_id, lock=True)
        await rows.delete(uow, source_id)
        await uow.audit(subject, "webhook_source.deleted", {"source_id": str(source_id), "name": row.name})


def _secret_of(new: NewSource) -> bytes:
    if new.secret is None:
        return new_secret()
    try:
        return secret_bytes(new.secret)
    except SecretInvalid as error:
        raise WebhookRefused("/secret", "A secret is whsec_ and 24 to 64 bytes in base64.") from error


async def _found(subject: Subject, source_id: UUID, *, lock: bool = False) -> SourceRow:
    row = await rows.get(source_id, subject.tenant_id, lock=lock)
    if row is None:
        raise SourceNotFound
    return row


def _view(row: SourceRow, base_url: str) -> SourceView:
    fields = msgspec.structs.asdict(row) | {"address": f"{base_url}{ADDRESS}/{row.id}"}
    if row.previous_until is not None and row.previous_until <= datetime.now(UTC):
        fields["previous_until"] = None
    return SourceView(**{name: fields[name] for name in SourceView.__struct_fields__})
