"""Tickets for WebSockets, the key of each person, demo people in production, and what the clock clears away."""

import asyncio

import pytest

from backend.identity import keys, service, sessions
from backend.identity.authentication import authenticate, authenticate_again, authenticate_socket
from backend.identity.errors import (
    DemoAccountsPresent,
    InputRefused,
    PersonKeyDestroyed,
    PersonNotFound,
    SessionEnded,
    TenantTaken,
    TokenRefused,
)
from backend.identity.runtime import runtime
from db import query
from ops.runtime.crypto import SealBroken, new_token, seal, unseal, unwrap_key
from ops.runtime.ids import UserId, new_id
from tests import campus
from tests.integration.identity.conftest import World
from tests.servers import Database


async def test_a_ticket_opens_one_socket_of_its_session(world: World) -> None:
    opened = await campus.sign_in(world.student.user_id)
    client = world.api.client(authorization=f"Bearer {opened.tokens().access_token}")
    made = await client.post("/api/v1/auth/ws-ticket")
    assert made.status_code == 201
    assert made.json()["expires_in"] == 30
    first, second = await asyncio.gather(
        authenticate_socket(made.json()["ticket"]), authenticate_socket(made.json()["ticket"]), return_exceptions=True
    )
    subject = first if isinstance(second, TokenRefused) else second
    assert {type(first), type(second)} == {campus.Subject, TokenRefused}
    assert isinstance(subject, campus.Subject)
    assert (subject.user_id, subject.session_id) == (world.student.user_id, opened.session_id)
    assert await authenticate_socket(opened.tokens().access_token) == subject
    with pytest.raises(TokenRefused):
        await authenticate_socket(new_token())


async def test_a_ticket_ends_with_its_time_and_with_its_session(world: World) -> None:
    subject = await authenticate(bearer=(await campus.sign_in(world.student.user_id)).tokens().access_token)
    late, orphan = [(await sessions.issue_ticket(subject)).ticket for _ in range(2)]
    await query.execute("UPDATE one_time_tokens SET expires_at = now() WHERE token_hash = sha256($1)", late.encode())
    with pytest.raises(TokenRefused):
        await authenticate_socket(late)
    await sessions.sign_out(subject)
    with pytest.raises(SessionEnded):
        await authenticate_socket(orphan)
    with pytest.raises(SessionEnded):
        await authenticate_again(subject)


async def test_a_link_is_no_ticket_and_a_ticket_no_link(world: World) -> None:
    subject = await authenticate(bearer=(await campus.sign_in(world.student.user_id)).tokens().access_token)
    ticket, link = (await sessions.issue_ticket(subject)).ticket, await service.reset_link(world.student.email)
    with pytest.raises(TokenRefused):
        await authenticate_socket(link.token)
    response = await world.api.public.post("/api/v1/auth/link", json={"token": ticket})
    assert response.status_code == 401


async def test_everybody_has_a_key_of_their_own_that_erasure_destroys(world: World) -> None:
    mine, theirs = await service.person_key(world.student.user_id), await service.person_key(world.admin.user_id)
    assert len(mine) == 32
    sealed = seal(mine, b"a question", b"row")
    assert unseal(await service.person_key(world.student.user_id), sealed, b"row") == b"a question"
    with pytest.raises(SealBroken):
        unseal(theirs, sealed, b"row")
    stored = await query.fetch_value("SELECT data_key FROM users WHERE id = $1", world.student.user_id)
    assert mine not in stored
    with pytest.raises(SealBroken):  # a row copied to another person opens nothing
        unwrap_key(runtime().master_key, stored, world.admin.user_id.bytes)
    await query.execute("UPDATE users SET data_key = '' WHERE id = $1", world.student.user_id)
    keys._known.clear()
    with pytest.raises(PersonKeyDestroyed):
        await service.person_key(world.student.user_id)
    with pytest.raises(PersonKeyDestroyed):
        await service.person_key(UserId(new_id()))


async def test_production_refuses_demo_people(database: Database) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        await service.create_person(None, email="student@lyceum.example", display_name="Demo", is_demo=True)
        await service.refuse_demo_accounts()  # development
    async with campus.opened(campus.settings_for(database.url, env="production")):
        with pytest.raises(DemoAccountsPresent):
            await service.refuse_demo_accounts()
        await query.execute("UPDATE users SET deleted_at = now()")
        await service.refuse_demo_accounts()


async def test_the_first_tenant_is_the_installations_own(database: Database) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        made = await asyncio.gather(*(service.ensure_default_tenant() for _ in range(4)))
        assert len({tenant.id for tenant in made}) == 1
        second = await service.create_tenant("second", "Second")
        assert (made[0].is_default, second.is_default) == (True, False)
        with pytest.raises(TenantTaken):
            await service.create_tenant("second", "Again")
        person = await service.create_administrator("second", "root@second.example")
        assert person.tenant_id == second.id
        with pytest.raises(InputRefused):
            await service.create_administrator("third", "root@third.example")
        with pytest.raises(PersonNotFound):
            await service.reset_link("nobody@second.example")


async def test_an_actor_works_as_the_person_of_now(world: World) -> None:
    assert (await service.subject_for_user(world.student.user_id)).session_id is None
    with pytest.raises(PersonNotFound):
        await service.subject_for_user(world.student.user_id, tenant_id=world.stranger.tenant_id)
    await query.execute("UPDATE users SET state = 'disabled' WHERE id = $1", world.student.user_id)
    with pytest.raises(PersonNotFound):
        await service.subject_for_user(world.student.user_id)


async def test_what_ended_long_ago_is_cleared_away(world: World) -> None:
    old, kept = await campus.sign_in(world.student.user_id), await campus.sign_in(world.student.user_id)
    subject = await authenticate(bearer=old.tokens().access_token)
    await sessions.issue_ticket(subject)
    await query.execute(
        "UPDATE auth_sessions SET expires_at = now() - interval '91 days' WHERE id = $1", old.session_id
    )
    await query.execute("UPDATE one_time_tokens SET expires_at = now() - interval '91 days'")
    assert await service.purge_sessions() == 1
    assert await query.fetch_values("SELECT id FROM auth_sessions") == [kept.session_id]
    assert await query.fetch_value("SELECT count(*) FROM refresh_tokens") == 1
    with pytest.raises(TokenRefused):
        await sessions.refresh(old.refresh_token or "")
