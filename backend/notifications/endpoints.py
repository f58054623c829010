"""Webhooks out: which addresses are told of which events."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from backend.kit.pagination import Page, decode_cursor, page_of
from backend.kit.subject import Subject
from backend.notifications.errors import TooManyWebhooks, WebhookNotFound, WebhookRefused
from backend.notifications.schemas import CreatedWebhook, NewSecret, NewWebhook, WebhookChange, WebhookView
from backend.notifications.sealing import Secrets
from backend.notifications.sending import Sender
from backend.notifications.signatures import new_secret, secret_text
from backend.notifications.targets import TargetRefused, parse_url
from db.events import is_event
from db.repositories import webhooks as rows
from db.repositories.webhooks import EndpointRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id

READ: Final = "webhook.read"
WRITE: Final = "webhook.write"
EVERY_EVENT: Final = "*"
PREVIOUS_HOURS: Final = 24
MOST: Final = 50
"""Endpoints of one institution: each is looked at for each of its events."""


class _After(msgspec.Struct, frozen=True):
    id: UUID


async def list_webhooks(subject: Subject, *, cursor: str | None, limit: int) -> Page[WebhookView]:
    """Return the tenant's endpoints, oldest first.

    Raises:
        PermissionMissing
        ValidationFailed: the cursor is not of this list.
    """
    subject.require(READ)
    after = decode_cursor(cursor, _After)
    found = await rows.page(subject.tenant_id, after.id if after else None, limit + 1)
    page = page_of(found, limit, lambda row: _After(row.id))
    return Page(items=[_view(row) for row in page.items], next_cursor=page.next_cursor)


async def get_webhook(subject: Subject, endpoint_id: UUID) -> WebhookView:
    """Return one endpoint.

    Raises:
        PermissionMissing, WebhookNotFound
    """
    subject.require(READ)
    return _view(await found_endpoint(subject, endpoint_id))


async def create_webhook(subject: Subject, sender: Sender, secrets: Secrets, new: NewWebhook) -> CreatedWebhook:
    """Make an endpoint, which is told of what happens from now on.

    Raises:
        PermissionMissing
        WebhookRefused: the address is not public now, or there is no such event.
        TooManyWebhooks: the institution has 50.
    """
    subject.require(WRITE)
    await _check(sender, new.url, new.events)
    endpoint_id, secret, now = new_id(), new_secret(), datetime.now(UTC)
    row = EndpointRow(
        id=endpoint_id,
        tenant_id=subject.tenant_id,
        url=new.url,
        description=new.description,
        events=sorted(set(new.events)),
        secret=secrets.sealed(endpoint_id, secret),
        previous_secret=None,
        previous_until=None,
        is_enabled=True,
        disabled_reason=None,
        failing_since=None,
        created_by=subject.user_id,
        created_at=now,
        updated_at=now,
    )
    async with unit_of_work() as uow:
        if await rows.count(subject.tenant_id) >= MOST:
            raise TooManyWebhooks(MOST)
        await rows.put(uow, row)
        await uow.audit(subject, "webhook.created", _about(row))
    view = await get_webhook(subject, endpoint_id)
    return CreatedWebhook(**msgspec.structs.asdict(view), secret=secret_text(secret))


async def change_webhook(subject: Subject, sender: Sender, endpoint_id: UUID, change: WebhookChange) -> WebhookView:
    """Change an endpoint; what is left out stays. Messages that wait go to the new address.

    Raises:
        PermissionMissing, WebhookNotFound
        WebhookRefused: see `create_webhook`.
    """
    subject.require(WRITE)
    changes = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}
    await found_endpoint(subject, endpoint_id)
    await _check(sender, changes.get("url"), changes.get("events", []))
    if "events" in changes:
        changes["events"] = sorted(set(changes["events"]))
    async with unit_of_work() as uow:
        old = await found_endpoint(subject, endpoint_id, lock=True)
        if changes.get("is_enabled") is True and not old.is_enabled:
            changes |= {"failing_since": None, "disabled_reason": None}
        elif changes.get("is_enabled") is False and old.is_enabled:
            changes["disabled_reason"] = "manual"
        row = msgspec.structs.replace(old, **changes)
        await rows.put(uow, row)
        await uow.audit(subject, "webhook.changed", _about(row))
    return await get_webhook(subject, endpoint_id)


async def delete_webhook(subject: Subject, endpoint_id: UUID) -> None:
    """Delete an endpoint and the log of its deliveries; what waits is not sent.

    Raises:
        PermissionMissing, WebhookNotFound
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        row = await found_endpoint(subject, endpoint_id, lock=True)
        await rows.delete(uow, endpoint_id)
        await uow.audit(subject, "webhook.deleted", _about(row))


async def rotate_secret(subject: Subject, secrets: Secrets, endpoint_id: UUID) -> NewSecret:
    """Replace the secret. For 24 hours messages are signed with the old one too.

    Raises:
        PermissionMissing, WebhookNotFound
    """
    subject.require(WRITE)
    secret, until = new_secret(), datetime.now(UTC) + timedelta(hours=PREVIOUS_HOURS)
    async with unit_of_work() as uow:
        old = await found_endpoint(subject, endpoint_id, lock=True)
        sealed = secrets.sealed(endpoint_id, secret)
        row = msgspec.structs.replace(old, secret=sealed, previous_secret=old.secret, previous_until=until)
        await rows.put(uow, row)
        await uow.audit(subject, "webhook.secret_rotated", {"webhook_id": str(endpoint_id)})
    return NewSecret(secret=secret_text(secret), previous_until=until)


async def found_endpoint(subject: Subject, endpoint_id: UUID, *, lock: bool = False) -> EndpointRow:
    """Return an endpoint of the subject's tenant; raises `WebhookNotFound`."""
    row = await rows.get(endpoint_id, subject.tenant_id, lock=lock)
    if row is None:
        raise WebhookNotFound
    return row


async def _check(sender: Sender, url: str | None, events: list[str]) -> None:
    for place, name in enumerate(events):
        if name != EVERY_EVENT and not is_event(name):
            raise WebhookRefused(f"/events/{place}", "There is no such event.")
    if url is not None:
        try:
            await sender.check(url)
        except TargetRefused as error:
            raise WebhookRefused("/url", str(error)) from error


def _about(row: EndpointRow) -> dict[str, Any]:
    """Name the endpoint without the rest of its URL, which may hold a token of the receiver's."""
    return {
        "webhook_id": str(row.id),
        "host": parse_url(row.url).host,
        "events": row.events,
        "is_enabled": row.is_enabled,
    }


def _view(row: EndpointRow) -> WebhookView:
    fields = msgspec.structs.asdict(row)
    if row.previous_until is not None and row.previous_until <= datetime.now(UTC):
        fields["previous_until"] = None
    return WebhookView(**{name: fields[name] for name in WebhookView.__struct_fields__})
