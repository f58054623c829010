"""Kept answers: what shapes an answer is in its name, nobody's is another's, nothing lies there in the open, purges are whole."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from inference_gateway.cache.answers import AnswerCache
from inference_gateway.cache.keys import answer_key, tags_of
from inference_gateway.caller import Caller
from inference_gateway.contract import ChatDelta, ChatMessage, ChatRequest, Function, Tool
from inference_gateway.ports import AuthorisedAdapter, CachedAnswer
from inference_gateway.purge import purge_answers
from ops.runtime.redis import Redis, open_redis

KEY = b"k" * 32
REQUEST = ChatRequest(messages=(ChatMessage(role="user", content="What is osmosis?"),), cache_scope="v1:scope:7")
ADA = Caller(tenant_id=uuid4(), user_id=uuid4(), course_id=uuid4(), purpose="generate")
BOB = msgspec.structs.replace(ADA, user_id=uuid4())
ADAPTER = AuthorisedAdapter(id="ada@" + "a" * 64, sha256="a" * 64, owner_id=uuid4(), base_revision="r")
ANSWER = CachedAnswer(
    deltas=(ChatDelta(text="Water moves "), ChatDelta(text="through.", finish_reason="stop")), model="m", upstream="u"
)


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    opened = open_redis(valkey_url)
    yield opened
    await opened.aclose()


def name(
    caller: Caller = ADA, model_hash: str = "h", authorised: AuthorisedAdapter | None = None, **fields: Any
) -> str:
    key = answer_key(msgspec.structs.replace(REQUEST, **fields), caller, model_hash, authorised)
    assert key is not None
    return key


NOT_SHAPING = {"tenant_id", "user_id", "course_id", "cache_documents", "whole"}
"""Fields of a request that do not shape its answer: the first three come from the token, `whole` tells how it is sent."""
OTHER: dict[str, Any] = {
    "messages": (ChatMessage(role="user", content="What is osmosis??"),),
    "prompt": "raw",
    "tools": (Tool(function=Function(name="f")),),
    "tool_choice": "none",
    "max_tokens": 7,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ("x",),
    "seed": 1,
    "model": "other",
    "json_schema": {"type": "object"},
    "adapter": "ada@" + "b" * 64,
    "cache_scope": "v1:scope:8",
}


def test_every_field_that_shapes_an_answer_is_in_its_name() -> None:
    assert set(OTHER) == set(ChatRequest.__struct_fields__) - NOT_SHAPING, (
        "a new field shapes answers, or is named above"
    )
    names = {name(seed=3, **{field: value}) if field != "seed" else name(seed=9) for field, value in OTHER.items()}
    others = {
        name(seed=3),
        name(seed=3, model_hash="i"),
        name(seed=3, authorised=ADAPTER),
        name(msgspec.structs.replace(ADA, tenant_id=uuid4()), seed=3),
        name(msgspec.structs.replace(ADA, course_id=None), seed=3),
        name(msgspec.structs.replace(ADA, purpose="exam"), seed=3),
    }
    assert len(names | others) == len(OTHER) + 6


@pytest.mark.parametrize(
    "fields", [{"cache_scope": ""}, {"temperature": 0.7}, {"temperature": 1.0, "top_p": 0.1}], ids=str
)
def test_what_may_differ_each_time_is_not_kept(fields: dict[str, Any]) -> None:
    assert answer_key(msgspec.structs.replace(REQUEST, **fields), ADA, "h", None) is None


def test_a_model_without_a_hash_and_a_caller_without_a_tenant_keep_nothing() -> None:
    assert answer_key(REQUEST, ADA, "", None) is None
    assert answer_key(REQUEST, msgspec.structs.replace(ADA, tenant_id=None), "h", None) is None


def test_personal_answers_are_never_shared() -> None:
    assert name(ADA) == name(BOB)
    assert name(ADA, authorised=ADAPTER) != name(BOB, authorised=ADAPTER)
    assert name(ADA, cache_scope="personal:v1") != name(BOB, cache_scope="personal:v1")
    nobody = msgspec.structs.replace(ADA, user_id=None)
    assert answer_key(REQUEST, nobody, "h", ADAPTER) is None


async def test_an_answer_comes_back_and_lies_there_sealed(redis: Redis) -> None:
    cache = AnswerCache(redis, KEY)
    assert await cache.get(name()) is None
    await cache.put(name(), ANSWER, tags_of(REQUEST, ADA))
    assert await cache.get(name()) == ANSWER
    raw = await redis.get(name())
    assert raw is not None
    assert b"Water" not in raw
    assert 86_000 < await redis.ttl(name()) <= 86_400


async def test_what_was_changed_moved_or_sealed_by_others_is_a_miss(redis: Redis) -> None:
    cache = AnswerCache(redis, KEY)
    await cache.put(name(), ANSWER, ())
    assert await AnswerCache(redis, b"o" * 32).get(name()) is None
    raw = await redis.get(name())
    assert isinstance(raw, bytes)
    await redis.set(name(BOB, authorised=ADAPTER), raw)
    assert await cache.get(name(BOB, authorised=ADAPTER)) is None
    await redis.set(name(), raw[:-1] + b"\x00")
    assert await cache.get(name()) is None


async def test_purges_by_document_person_and_tenant(redis: Redis) -> None:
    cache, document = AnswerCache(redis, KEY), uuid4()
    quoting = msgspec.structs.replace(REQUEST, cache_documents=(document,))
    for caller, request, scope in ((ADA, quoting, "1"), (BOB, quoting, "2"), (ADA, REQUEST, "3"), (BOB, REQUEST, "4")):
        await cache.put(name(cache_scope=scope), ANSWER, tags_of(request, caller))

    async def left() -> str:
        return "".join([scope for scope in "1234" if await cache.get(name(cache_scope=scope)) is not None])

    assert await left() == "1234"
    assert await purge_answers(redis, f"document:{document}") == 2
    assert await left() == "34"
    assert await purge_answers(redis, f"user:{ADA.user_id}") == 1
    assert await left() == "4"
    assert await purge_answers(redis, f"tenant:{uuid4()}", f"tenant:{ADA.tenant_id}") == 1
    assert await left() == ""


async def test_without_redis_every_look_up_is_a_miss() -> None:
    cache = AnswerCache(open_redis("redis://127.0.0.1:1/0"), KEY)
    await cache.put(name(), ANSWER, ("tenant:x",))
    assert await cache.get(name()) is None
