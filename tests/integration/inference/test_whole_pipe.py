"""The pipe with everything behind it, on PostgreSQL and Valkey: what is metered is what the upstream counted, and text stays."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from db import query
from db.repositories import quotas
from db.repositories.quotas import PolicyRow, QuotaRow
from db.unit_of_work import unit_of_work
from inference_gateway.caller import Caller
from inference_gateway.contract import ChatMessage, ChatRequest
from inference_gateway.errors import GenerationUnavailable, UpstreamBroken
from inference_gateway.generation import Facts, Generation
from inference_gateway.records.meter import DatabaseMeter
from inference_gateway.routing.build import router_from
from inference_gateway.stores import open_stores
from inference_gateway.unset import unset_ports
from inference_gateway.upstreams.deadlines import Deadlines
from ops.runtime.ids import new_id
from ops.runtime.settings import Settings
from tests import campus
from tests.fakes.behaviours import PIECES_BEFORE_FAULT
from tests.fakes.openai_server import openai_server
from tests.fakes.server import FakeServer
from tests.servers import Database

DEADLINES = Deadlines(connect_seconds=1.0, first_seconds=5.0, between_seconds=5.0)
ROUTES = """
[upstreams.inside]
address = "{inside}"
[upstreams.cloud]
address = "{outside}"
external = true
[aliases]
"tutor@stable" = ["inside", "cloud"]
"""
QUOTA, PERIOD_SECONDS = 1_000_000, 31 * 86_400
EACH = 40


@dataclass
class House:
    """A pipe, its two upstreams, and a tenant with a person."""

    pipe: Generation
    inside: FakeServer
    outside: FakeServer
    settings: Settings
    caller: Caller

    async def ask(self, caller: Caller | None = None, number: int = 0, take: int = 10**6) -> tuple[str, Facts]:
        """Ask, read `take` pieces, and leave."""
        text, asked = "", question(number)
        async with self.pipe.open(asked, caller or self.caller) as answer, aclosing(answer.deltas) as deltas:
            async for delta in deltas:
                text += delta.text
                take -= delta.pieces if delta.text else 0
                if take <= 0:
                    break
        return text, answer.facts

    def heal(self) -> None:
        """Let no breaker stay open."""
        for member in self.pipe.router.members.values():
            member.breaker.state = "closed"

    async def flush(self) -> None:
        """Write what was metered."""
        meter = self.pipe.ports.meter
        assert isinstance(meter, DatabaseMeter)
        await meter.flush()


def question(number: int) -> ChatRequest:
    words = " ".join(f"word{index}" for index in range(number % 13))
    prompt = f"[1] Water boils at {number} degrees {words}.\n\nQuestion: When does water boil?"
    return ChatRequest(messages=(ChatMessage(role="user", content=prompt),), max_tokens=64)


@pytest.fixture
async def house(database: Database, valkey_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(database, valkey_url, tmp_path) as opened:
        yield opened


@asynccontextmanager
async def open_house(database: Database, valkey_url: str, folder: Path, head: str = "") -> AsyncIterator[House]:
    with openai_server() as inside, openai_server() as outside:
        routes = folder / "routes.toml"
        routes.write_text(head + ROUTES.format(inside=inside.url, outside=outside.url))
        settings = campus.settings_for(database.url, valkey_url, routes=routes)
        pipe = Generation(router_from(settings, DEADLINES))
        async with open_stores(settings, unset_ports()) as pipe.ports:
            tenant_id = new_id()
            await query.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, 'one', 'One')", tenant_id)
            caller = Caller(tenant_id=tenant_id, user_id=new_id(), purpose="generate")
            try:
                yield House(pipe, inside, outside, settings, caller)
            finally:
                await pipe.close()


def words(text: str) -> int:
    """How the fake counts: a token is a word."""
    return len(re.findall(r"\s*\S+", text))


async def used(where: str, *values: Any) -> dict[str, int]:
    return dict(
        zip(
            ("requests", "prompt", "completion"),
            await query.fetch_values(
                f"""SELECT unnest(ARRAY[count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0)])
                    FROM inference_logs WHERE {where}""",
                *values,
            ),
            strict=True,
        )
    )


async def test_metered_tokens_equal_the_upstreams_whatever_becomes_of_the_stream(house: House) -> None:
    async with unit_of_work() as uow:
        quota = QuotaRow(level="tenant", subject_id=None, tokens=QUOTA, requests=None, period_seconds=PERIOD_SECONDS)
        assert house.caller.tenant_id is not None
        await quotas.put_quota(uow, house.caller.tenant_id, quota, None)
    answers = await asyncio.gather(*(house.ask(number=number) for number in range(3 * EACH)))
    told_prompt = sum(
        len(message["content"].split()) for one in house.inside.generations() for message in one.body["messages"]
    )
    house.inside.always("cut")
    for number in range(EACH):
        house.heal()
        with pytest.raises(UpstreamBroken):
            await house.ask(number=number)
    house.heal()
    house.inside.always("right")
    house.inside.seconds_per_piece = 0.02
    chance = random.Random(7)
    left = await asyncio.gather(*(house.ask(number=number, take=chance.randint(1, 3)) for number in range(EACH)))
    await house.flush()

    whole = await used("error_code = ''")
    assert whole == {"requests": 3 * EACH, "prompt": told_prompt, "completion": sum(words(text) for text, _ in answers)}
    cut = await used("error_code = 'upstream_broken'")
    assert (cut["requests"], cut["completion"]) == (EACH, EACH * PIECES_BEFORE_FAULT)
    gone = await used("error_code = 'client_gone'")
    assert (gone["requests"], gone["completion"]) == (EACH, sum(words(text) for text, _ in left))
    assert gone["completion"] < whole["completion"] / 3

    everything = await used("true")
    reserved = 200
    _, facts = await house.ask(number=1)
    assert facts.remaining.tokens is not None
    spent = QUOTA - facts.remaining.tokens
    assert 0 <= spent - everything["prompt"] - everything["completion"] <= reserved, (
        "the bucket holds what the records say"
    )


async def test_text_of_a_tenant_that_does_not_allow_it_never_reaches_an_external_upstream(house: House) -> None:
    house.inside.always("not_ready")
    other = msgspec.structs.replace(house.caller, tenant_id=new_id(), user_id=new_id())
    await query.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, 'two', 'Two')", other.tenant_id)
    for caller in (house.caller, other):
        with pytest.raises(GenerationUnavailable):
            await house.ask(caller)
    await _allow(house.caller.tenant_id, True)
    await _heed(house)
    _, facts = await house.ask()
    assert (facts.upstream, facts.degraded) == ("cloud", True)
    with pytest.raises(GenerationUnavailable):
        await house.ask(other)
    await _allow(house.caller.tenant_id, False)
    await _heed(house)
    with pytest.raises(GenerationUnavailable):
        await house.ask()
    assert len(house.outside.generations()) == 1, "the one request that was allowed"


async def test_a_routing_file_that_names_tenants_must_allow_it_too(
    database: Database, valkey_url: str, tmp_path: Path
) -> None:
    head = f'external_tenants = ["{UUID(int=1)}"]\n'
    async with open_house(database, valkey_url, tmp_path, head) as house:
        house.inside.always("not_ready")
        await _allow(house.caller.tenant_id, True)
        await _heed(house)
        with pytest.raises(GenerationUnavailable):
            await house.ask()
        assert house.outside.generations() == []


async def _allow(tenant_id: UUID | None, allowed: bool) -> None:
    assert tenant_id is not None
    async with unit_of_work() as uow:
        await quotas.put_policy(uow, PolicyRow(tenant_id=tenant_id, text_may_leave=allowed), None)


async def _heed(house: House) -> None:
    """Have the policies read anew now, which the gateway does every half minute."""
    says = house.pipe.ports.text_may_leave
    assert says is not None
    await says.__self__.refresh()  # type: ignore[attr-defined]  # the bound method of `TenantPolicies`
    house.heal()
