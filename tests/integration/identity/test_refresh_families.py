"""A model of refresh families against the real ones: rotation, grace, reuse, sign-out, in any order."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backend.identity import sessions
from backend.identity.authentication import authenticate
from backend.identity.errors import SessionEnded, TokenRefused
from db import query
from db.repositories.identity import TenantRow
from ops.runtime.crypto import new_token
from tests import campus
from tests.servers import Database


class Family:
    """What a family should be: its tokens in order, how many of them were used more than the grace ago, and its life."""

    def __init__(self, opened: sessions.OpenedSession) -> None:
        assert opened.refresh_token is not None
        self.session = opened
        self.tokens = [opened.refresh_token]
        self.aged = 0
        self.alive = True

    def expect(self, index: int) -> str | None:
        """What the token at `index` should bring: a new token (""), a known one, or a refusal (None)."""
        newest = len(self.tokens) - 1
        if not self.alive:
            return None
        if index == newest:
            return ""
        if index == newest - 1 and index >= self.aged:
            return self.tokens[newest]
        self.alive = False
        return None


class Families(RuleBasedStateMachine):
    families = Bundle("families")
    runner: ClassVar[asyncio.Runner]
    home: ClassVar[TenantRow]
    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Family] = []
        self.person = self.run(campus.person(self.home, new_token(), "student"))

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    @initialize(target=families)
    def first_sign_in(self) -> Family:
        return self.sign_in()

    @rule(target=families)
    def sign_in(self) -> Family:
        family = Family(self.run(campus.sign_in(self.person.user_id)))
        self.all.append(family)
        return family

    @rule(family=families, back=st.sampled_from((0, 1, 1, 2)))
    def refresh(self, family: Family, back: int) -> None:
        index = max(0, len(family.tokens) - 1 - back)
        expected = family.expect(index)
        try:
            given = self.run(sessions.refresh(family.tokens[index])).refresh_token
        except TokenRefused:
            given = None
        self.counts["refused" if given is None else "in grace" if expected else "refreshed"] += 1
        if expected == "":
            assert given is not None
            assert given not in family.tokens
            family.tokens.append(given)
        else:
            assert given == expected

    @rule(family=families)
    def two_tabs_refresh_at_once(self, family: Family) -> None:
        if not family.alive:
            return

        async def both() -> list[str | None]:
            newest = family.tokens[-1]
            opened = await asyncio.gather(sessions.refresh(newest), sessions.refresh(newest))
            return [each.refresh_token for each in opened]

        first, second = self.run(both())
        assert first == second
        self.counts["tabs"] += 1
        family.tokens.append(first)  # type: ignore[arg-type]

    @precondition(lambda self: len(self.all) > 1)
    @rule()
    def grace_passes(self) -> None:
        self.run(query.execute("UPDATE refresh_tokens SET used_at = used_at - interval '21 seconds'"))
        for family in self.all:
            family.aged = len(family.tokens) - 1

    @rule(family=families)
    def sign_out(self, family: Family) -> None:
        if family.alive:
            subject = self.run(authenticate(bearer=family.session.tokens().access_token))
            self.run(sessions.sign_out(subject))
            family.alive = False

    @invariant()
    def access_lives_as_long_as_the_family(self) -> None:
        for family in self.all[-3:]:
            try:
                self.run(authenticate(bearer=family.session.tokens().access_token))
                alive = True
            except SessionEnded:
                alive = False
            assert alive == family.alive


@pytest.fixture
def machine(module_database: Database) -> Iterator[type[Families]]:
    with asyncio.Runner() as runner:
        process = campus.opened(campus.settings_for(module_database.url))
        runner.run(process.__aenter__())
        Families.runner, Families.home = runner, runner.run(campus.tenant("home"))
        Families.counts.clear()
        yield Families
        runner.run(process.__aexit__(None, None, None))


def test_families_behave_like_their_model(machine: type[Families]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(machine.counts)
    assert min(machine.counts[name] for name in ("refused", "refreshed", "in grace", "tabs")) >= 15, machine.counts


async def test_reuse_ends_the_family_and_is_written_down(database: Database) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        person = await campus.person(await campus.tenant("home"), "sam", "student")
        opened = await campus.sign_in(person.user_id)
        assert opened.refresh_token is not None
        second = await sessions.refresh(opened.refresh_token)
        third = await sessions.refresh(second.refresh_token or "")
        with pytest.raises(TokenRefused):
            await sessions.refresh(opened.refresh_token)
        for token in (second.refresh_token, third.refresh_token):
            with pytest.raises(TokenRefused):
                await sessions.refresh(token or "")
        rows = await query.fetch_values(
            "SELECT metadata->>'session_id' FROM audit_log WHERE action = 'auth.refresh_reused'"
        )
        assert rows == [str(opened.session_id)]
        assert await query.fetch_value("SELECT revoked_reason FROM auth_sessions") == "refresh-reused"


async def test_tokens_are_stored_as_hashes_alone(database: Database) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        person = await campus.person(await campus.tenant("home"), "sam", "student")
        opened = await campus.sign_in(person.user_id)
        refreshed = await sessions.refresh(opened.refresh_token or "")
        dump = await query.fetch_values("SELECT to_jsonb(r)::text FROM refresh_tokens r")
        assert len(dump) == 2
        for token in (opened.refresh_token, refreshed.refresh_token):
            assert not any((token or "") in row or (token or "").encode().hex() in row for row in dump)
