"""An answer run again from its record, by a gateway process with a model of its own: the same text, or a sentence why not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from uuid import UUID

import msgspec
import pytest

from db import query
from db.engine import close_database, open_pool
from db.repositories.quotas import PolicyRow, put_policy
from db.unit_of_work import unit_of_work
from inference_gateway.client import GatewayClient
from inference_gateway.contract import ChatMessage, ChatRequest
from ops.local.command import lyceum_environment
from ops.local.ports import free_port
from ops.runtime.context import bind_request
from ops.runtime.crypto import ServiceTokens, decode_key, new_key, wrap_key
from ops.runtime.ids import new_id
from ops.runtime.settings import Settings
from tests import campus
from tests.commands import run_command
from tests.models import save_small_llama
from tests.processes import process
from tests.servers import Database

pytestmark = pytest.mark.long
WRITTEN_SECONDS = 10
QUESTION = "What does gradient descent follow, which nobody else may read?"


@dataclass(frozen=True)
class Site:
    settings: Settings
    client: GatewayClient
    consenting: ChatRequest
    silent: ChatRequest
    folder: Path

    async def ask(self, request_id: str, request: ChatRequest) -> str:
        """Ask, and wait until it is recorded."""
        with bind_request(request_id):
            text = "".join([delta.text async for delta in self.client.stream_chat(request)])
        async with asyncio.timeout(WRITTEN_SECONDS):
            while not await query.fetch_value("SELECT count(*) FROM inference_logs WHERE request_id = $1", request_id):
                await asyncio.sleep(0.1)
        return text

    async def replay(self, *arguments: str) -> "CompletedProcess[str]":
        return await asyncio.to_thread(
            run_command, ("replay", *arguments), lyceum_environment(self.settings), self.folder
        )


async def person(slug: str, master_key: bytes, *, consents: bool) -> ChatRequest:
    """A tenant with a person, and what the person asks."""
    tenant_id, user_id = new_id(), new_id()
    await query.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, $2, $2)", tenant_id, slug)
    await query.execute(
        """INSERT INTO users (id, tenant_id, email, email_normalised, display_name, data_key)
           VALUES ($1, $2, $3, $3, 'A', $4)""",
        user_id,
        tenant_id,
        f"a@{slug}.example",
        wrap_key(master_key, new_key(), user_id.bytes),
    )
    if consents:
        async with unit_of_work() as uow:
            await put_policy(uow, PolicyRow(tenant_id=tenant_id, consented_at=datetime.now(UTC)), None)
    return ChatRequest(
        messages=(ChatMessage(role="user", content=QUESTION),),
        max_tokens=24,
        temperature=0.0,
        cache_scope="test",
        tenant_id=tenant_id,
        user_id=user_id,
    )


@pytest.fixture
async def site(database: Database, valkey_url: str, broker_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    others = {
        "data_dir": tmp_path / "data",
        "broker_url": broker_url,
        "gateway_url": f"http://127.0.0.1:{free_port()}",
        "qdrant_url": "http://127.0.0.1:9",
        "object_store_url": "memory://",
        "model": str(save_small_llama(tmp_path / "model")),
    }
    settings = campus.settings_for(database.url, valkey_url, **others)
    await open_pool(database.url)
    master_key = decode_key(settings.master_key)
    consenting = await person("open", master_key, consents=True)
    silent = await person("silent", master_key, consents=False)
    with process("gateway", settings, tmp_path):
        async with GatewayClient(settings.gateway_url, ServiceTokens(decode_key(settings.service_key))) as client:
            yield Site(settings, client, consenting, silent, tmp_path)
    await close_database()


async def test_the_same_text_comes_out_again_or_a_sentence_says_why_not(site: Site) -> None:
    then = await site.ask("asked-once", site.consenting)
    kept = await site.ask("asked-again", site.consenting)
    warm = msgspec.structs.replace(site.consenting, temperature=0.9)
    await site.ask("by-chance", warm)
    raw = msgspec.structs.replace(site.consenting, messages=(), prompt=QUESTION, cache_scope="")
    continued = await site.ask("raw-prompt", raw)
    await site.ask("keeps-nothing", site.silent)
    assert then
    assert kept == then

    by_request = await site.replay("asked-once", "--show")
    assert by_request.returncode == 0, by_request.stderr
    assert f"now:  {msgspec.json.encode(then).decode()}" in by_request.stdout
    log_id: UUID = await query.fetch_value("SELECT id FROM inference_logs WHERE request_id = 'asked-again'")
    by_record = await site.replay(str(log_id))
    assert by_record.returncode == 0, by_record.stderr
    assert then not in by_record.stdout, "texts are shown to whoever asks for them"

    of_raw = await site.replay("raw-prompt", "--show")
    assert of_raw.returncode == 0, of_raw.stderr
    assert f"now:  {msgspec.json.encode(continued).decode()}" in of_raw.stdout

    for identifier, why in (
        ("unheard-of", "nothing is recorded under unheard-of"),
        (str(new_id()), "nothing is recorded"),
        ("keeps-nothing", "does not consent to keeping texts"),
        ("by-chance", "without a seed"),
    ):
        refused = await site.replay(identifier)
        assert refused.returncode == 1, identifier
        assert why in refused.stderr
        assert "Traceback" not in refused.stderr
        assert QUESTION not in refused.stderr + refused.stdout

    charged = "SELECT count(*) FROM inference_logs WHERE tenant_id = $1"
    assert await query.fetch_value(charged, site.consenting.tenant_id) == 4, "what is run again is nobody's use"
    assert await query.fetch_value("SELECT count(*) FROM audit_log WHERE action = 'answer.replayed'") == 5

    await query.execute("UPDATE inference_logs SET model_hash = $1 WHERE id = $2", "0" * 64, log_id)
    assert "has another model now" in (await site.replay(str(log_id))).stderr
    await query.execute("UPDATE users SET data_key = '' WHERE id = $1", site.consenting.user_id)
    assert "the key of the person who asked is gone" in (await site.replay("asked-once")).stderr
    await query.execute("UPDATE inference_policies SET consented_at = NULL")
    assert "does not consent" in (await site.replay("asked-once")).stderr
