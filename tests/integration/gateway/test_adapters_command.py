"""`lyceum adapters`: from a folder that PEFT wrote to an answer, a server's start-up list, and out of use."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from backend.kit.subject import Subject
from db import query
from inference_gateway.adapters.names import AdapterName
from inference_gateway.contract import GENERATE_PURPOSE
from ops.cli.services import open_services
from ops.local.command import lyceum_environment
from ops.runtime.settings import Settings
from ops.runtime.tokens import ServiceClaims, ServiceTokens
from tests import campus
from tests.adapter_house import House, open_house
from tests.commands import run_command
from tests.models import save_small_llama
from tests.servers import Database

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # PEFT asks for it
]

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
TGI_PATTERN = r"^([^=@]+)(?:=([^@]+))?(?:@(.+))?$"
"""How TGI reads each part of LORA_ADAPTERS (text_generation_server/utils/adapter.py)."""

Lyceum = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def settings(database: Database, valkey_url: str, broker_url: str, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        model=str(save_small_llama(tmp_path / "llama")),
        database_url=database.url,
        database_direct_url=database.owner_url,
        redis_url=valkey_url,
        broker_url=broker_url,
        object_store_url=(tmp_path / "objects").as_uri(),
        signing_key=KEY,
        master_key=KEY,
        service_key=KEY,
    )


@pytest.fixture
def lyceum(settings: Settings, tmp_path: Path) -> Lyceum:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return run_command(("adapters", *arguments, "--tenant", "home"), lyceum_environment(settings), tmp_path)

    return run


@pytest.fixture
async def owner(settings: Settings) -> Subject:
    """The gateway of the test has the pool for itself afterwards."""
    async with open_services(settings):
        home = await campus.tenant("home")
        await campus.person(home, "oda", "ops")
        return await campus.person(home, "lea", "student")


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    """Random matrices, as a trainer saves them."""
    base: Any = AutoModelForCausalLM.from_pretrained(settings.model)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(base, config).save_pretrained(str(tmp_path / "trained"))
    return tmp_path / "trained"


def answer(url: str, adapter: str, **claims: Any) -> httpx.Response:
    token = ServiceTokens(House(Settings(service_key=KEY), []).key).issue(
        ServiceClaims(purpose=GENERATE_PURPOSE, **claims)
    )
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, "temperature": 0, "adapter": adapter}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {token}"})


async def test_an_adapter_s_way(
    lyceum: Lyceum, owner: Subject, settings: Settings, folder: Path, tmp_path: Path
) -> None:
    made = lyceum("add", str(folder), "--owner", "lea@home.example", "--name", "lea", "--json")
    assert made.returncode == 0, made.stderr
    view = json.loads(made.stdout)
    assert (view["owner_id"], view["rank"], view["target_modules"]) == (str(owner.user_id), 4, ["down_proj", "q_proj"])
    again = lyceum("add", str(folder), "--owner", "oda@home.example", "--name", "lea")
    assert (again.returncode, again.stderr) == (1, "Error: the namespace lea is another person's\n")
    assert view["id"] in lyceum("list").stdout

    claims = {"tenant_id": owner.tenant_id, "user_id": owner.user_id}
    with open_house(House(settings, [])) as url:
        reply, plain = answer(url, view["id"], **claims), answer(url, "", **claims)
        assert reply.headers["x-lyceum-adapter"] == view["id"]
        assert reply.headers["x-lyceum-degraded"] == "false"
        assert reply.json()["choices"][0]["message"] != plain.json()["choices"][0]["message"]

    listed = lyceum("startup-list", str(tmp_path / "served"), "--mount", "/adapters")
    assert listed.returncode == 0, listed.stderr
    check_startup_list(listed.stdout, view["id"], settings, tmp_path / "served")

    assert lyceum("revoke", view["id"]).returncode == 0
    assert [one["state"] for one in json.loads(lyceum("list", "--json").stdout)] == ["revoked"]
    assert lyceum("revoke", view["id"]).returncode == 1
    async with open_services(settings):
        acts = await query.fetch_values("SELECT action FROM audit_log WHERE action LIKE 'adapter.%' ORDER BY id")
        actors = await query.fetch_values("SELECT DISTINCT user_id FROM audit_log WHERE action LIKE 'adapter.%'")
    assert acts == ["adapter.added", "adapter.revoked"]
    assert None not in actors


def check_startup_list(printed: str, adapter_id: str, settings: Settings, folder: Path) -> None:
    variable, routes = printed.splitlines()
    parsed = re.match(TGI_PATTERN, variable.removeprefix("LORA_ADAPTERS="))
    assert parsed is not None
    served, path, revision = parsed.groups()
    assert (path, revision) == (f"/adapters/{served}", None)
    assert AdapterName.parse(adapter_id) == AdapterName(*served.split("."))
    assert msgspec.toml.decode(routes) == {"adapters": [adapter_id]}
    base: Any = AutoModelForCausalLM.from_pretrained(settings.model)
    loaded: Any = PeftModel.from_pretrained(base, str(folder / served))
    assert loaded.peft_config["default"].r == 4


def test_what_is_no_adapter_is_refused_with_a_sentence(lyceum: Lyceum, owner: Subject, folder: Path) -> None:
    del owner
    config = folder / "adapter_config.json"
    given = json.loads(config.read_text())
    config.write_text(json.dumps(given | {"use_dora": True}))
    refused = lyceum("add", str(folder), "--owner", "lea@home.example", "--name", "lea")
    assert (refused.returncode, refused.stderr) == (1, "Error: the adapter cannot be served: it uses DoRA\n")

    config.write_text(json.dumps(given))
    nobody = lyceum("add", str(folder), "--owner", "nobody@home.example", "--name", "lea")
    assert (nobody.returncode, nobody.stderr.splitlines()[-1]) == (
        1,
        "Error: nobody of the tenant has the address nobody@home.example",
    )
    badly_named = lyceum("add", str(folder), "--owner", "lea@home.example", "--name", "Léa")
    assert badly_named.returncode == 1
    assert "$.namespace" in badly_named.stderr


def test_who_acts_needs_the_operators_right(lyceum: Lyceum, owner: Subject) -> None:
    del owner
    for arguments, needed in (
        (("list",), "ops.read"),
        (("revoke", f"lea@{'a' * 64}"), "ops.write"),
    ):
        refused = lyceum(*arguments, "--as", "lea@home.example")
        assert refused.returncode == 1, arguments
        assert needed in refused.stderr
    assert lyceum("list", "--as", "oda@home.example").returncode == 0
