"""A gateway process with `LYCEUM_MODEL`, as `lyceum up` starts it."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from inference_gateway.client import GatewayClient
from inference_gateway.contract import ChatMessage, ChatRequest
from ops.local.command import lyceum_environment
from ops.local.ports import free_port
from ops.runtime.settings import Settings
from ops.runtime.tokens import ServiceTokens
from tests.models import save_parrot
from tests.processes import ROOT, Running, process

pytestmark = pytest.mark.long

ANSWER = "Support vector machines maximise the margin [1]."
QUESTION = "A question that nobody else may read?"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        gateway_url=f"http://127.0.0.1:{free_port()}",
        service_key=base64.b64encode(os.urandom(32)).decode(),
        model=str(tmp_path / "parrot"),
    )


@pytest.fixture
def gateway(settings: Settings, tmp_path: Path) -> Iterator[Running]:
    save_parrot(tmp_path / "parrot", ANSWER)
    with process("gateway", settings, tmp_path) as running:
        yield running


async def test_it_is_ready_with_its_model_answers_and_stops(gateway: Running, settings: Settings) -> None:
    tokens = ServiceTokens(base64.b64decode(settings.service_key))
    async with GatewayClient(settings.gateway_url, tokens) as client:
        assert (await client.model_info()).generator == "parrot"
        request = ChatRequest(messages=(ChatMessage(role="user", content=QUESTION),), max_tokens=100, model="parrot")
        deltas = [delta async for delta in client.stream_chat(request)]
    report = httpx.get(f"{settings.gateway_url}/health/ready").json()

    assert "".join(delta.text for delta in deltas) == ANSWER
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert {component["name"]: component["status"] for component in report["components"]} == {
        "embedder": "up",
        "generation": "up",
        "generation_loaded": "up",
    }
    assert gateway.stop() == 0
    log = gateway.log.read_text()
    assert QUESTION not in log
    assert ANSWER not in log


def test_a_setting_that_names_no_model_is_refused_with_a_sentence(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "parrot").mkdir()
    command = [sys.executable, "-m", "ops.cli.main", "run", "gateway"]
    done = subprocess.run(
        command, cwd=ROOT, env=lyceum_environment(settings), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode != 0
    assert "LYCEUM_MODEL: parrot is not a model folder: it has no config.json." in done.stderr
    assert "Traceback" not in done.stderr
