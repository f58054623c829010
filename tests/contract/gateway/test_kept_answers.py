"""Kept answers through client, wire and Valkey: the second same question costs nothing, and nobody else's question ever hits."""

import base64
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from inference_gateway.client import GatewayClient
from inference_gateway.contract import PERSONAL_SCOPE, AnswerFacts, ChatMessage, ChatRequest
from inference_gateway.errors import UpstreamBroken
from inference_gateway.purge import purge_answers
from inference_gateway.stores import open_stores
from ops.runtime.redis import Redis, open_redis
from ops.runtime.settings import Settings
from ops.runtime.tokens import ServiceTokens
from tests.fakes.server import FakeServer
from tests.gateways import RunningGateway, running_gateway

DOCUMENT = uuid4()
ASK = ChatRequest(
    messages=(ChatMessage(role="user", content="[1] Water boils at 100 degrees.\n\nQuestion: When does water boil?"),),
    seed=3,
    tenant_id=uuid4(),
    user_id=uuid4(),
    course_id=uuid4(),
    cache_scope="prompt-1:scope-of-three-courses:7",
    cache_documents=(DOCUMENT,),
)


@pytest.fixture
def kept_gateway(fake_openai: FakeServer, valkey_url: str) -> Iterator[RunningGateway]:
    key = os.urandom(32)
    settings = Settings(redis_url=valkey_url, service_key=base64.b64encode(key).decode())
    with running_gateway(
        generation_url=fake_openai.url, key=key, stores=lambda unset: open_stores(settings, unset)
    ) as running:
        yield running


@pytest.fixture
async def kept(kept_gateway: RunningGateway) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(kept_gateway.url, ServiceTokens(kept_gateway.key)) as connected:
        yield connected


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    opened = open_redis(valkey_url)
    yield opened
    await opened.aclose()


async def ask(client: GatewayClient, **other: Any) -> tuple[str, AnswerFacts]:
    deltas = [delta async for delta in client.stream_chat(msgspec.structs.replace(ASK, **other))]
    assert [delta.facts is not None for delta in deltas] == [True] + [False] * (len(deltas) - 1)
    assert deltas[0].facts is not None
    return "".join(delta.text for delta in deltas), deltas[0].facts


async def test_the_second_same_question_is_a_hit(kept: GatewayClient, fake_openai: FakeServer) -> None:
    first, facts = await ask(kept)
    again, known = await ask(kept)
    somebody, shared = await ask(kept, user_id=uuid4())
    assert (facts.cache, known.cache, shared.cache) == ("miss", "hit", "hit")
    assert (facts.model, facts.degraded) == (known.model, known.degraded)
    assert facts.model
    assert first == again == somebody == "Water boils at 100 degrees [1]."
    assert len(fake_openai.generations()) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"cache_scope": "prompt-1:scope-of-three-courses:8"},
        {"cache_scope": "prompt-1:another-scope:7"},
        {"course_id": uuid4()},
        {"course_id": None},
        {"tenant_id": uuid4()},
        {"seed": 4},
        {"max_tokens": 9},
    ],
    ids=["documents", "scope", "course", "no course", "tenant", "seed", "length"],
)
async def test_another_scope_course_or_tenant_never_hits(kept: GatewayClient, other: dict[str, Any]) -> None:
    await ask(kept)
    assert (await ask(kept, **other))[1].cache == "miss"


async def test_a_personal_answer_is_one_persons(kept: GatewayClient) -> None:
    personal = {"cache_scope": f"{PERSONAL_SCOPE}{ASK.cache_scope}"}
    assert (await ask(kept, **personal))[1].cache == "miss"
    assert (await ask(kept, **personal))[1].cache == "hit"
    assert (await ask(kept, **personal, user_id=uuid4()))[1].cache == "miss"


async def test_without_a_scope_or_a_fixed_outcome_nothing_is_kept(kept: GatewayClient, fake_openai: FakeServer) -> None:
    for other in ({"cache_scope": ""}, {"temperature": 0.7, "seed": None}):
        for _ in range(2):
            assert (await ask(kept, **other))[1].cache == "bypass"
    assert len(fake_openai.generations()) == 4


@pytest.mark.parametrize("tag", ["document", "user", "course", "tenant"])
async def test_what_is_purged_is_asked_anew(kept: GatewayClient, redis: Redis, tag: str) -> None:
    owners = {"document": DOCUMENT, "user": ASK.user_id, "course": ASK.course_id, "tenant": ASK.tenant_id}
    await ask(kept)
    assert await purge_answers(redis, f"{tag}:{uuid4()}") == 0
    assert (await ask(kept))[1].cache == "hit"
    assert await purge_answers(redis, f"{tag}:{owners[tag]}") == 1
    assert (await ask(kept))[1].cache == "miss"


async def test_a_broken_answer_is_not_kept(kept: GatewayClient, fake_openai: FakeServer) -> None:
    fake_openai.behave("cut")
    with pytest.raises(UpstreamBroken):
        await ask(kept)
    assert (await ask(kept))[1].cache == "miss"
