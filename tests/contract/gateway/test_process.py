"""The gateway as a process of its own, with the packaged model."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from inference_gateway.client import GatewayClient
from inference_gateway.contract import GatewayError
from ops.local.ports import free_port
from ops.runtime.context import bind_request
from ops.runtime.tokens import ServiceTokens

pytestmark = pytest.mark.long

PROGRAM = (
    "from inference_gateway.app import serve; from ops.runtime.settings import load_settings; serve(load_settings())"
)
FIRST_ANSWER_SECONDS = 20.0
READY_SECONDS = 60.0
PASSAGE = "Gradient descent follows the negative gradient of the loss until it no longer falls. " * 8


@dataclass(frozen=True)
class Process:
    """A gateway process and how to reach it."""

    url: str
    key: bytes
    running: "subprocess.Popen[bytes]"
    log: Path


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    url, key, log = f"http://127.0.0.1:{free_port()}", os.urandom(32), tmp_path / "gateway.log"
    environment = {**os.environ, "GATEWAY_URL": url, "LYCEUM_SERVICE_KEY": base64.b64encode(key).decode()}
    with log.open("wb") as output:
        running = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=output, stderr=output)
    yield Process(url, key, running, log)
    running.kill()
    running.wait(timeout=10)


async def first_answer(process: Process, path: str, status: int, seconds: float) -> httpx.Response:
    deadline = time.monotonic() + seconds
    async with httpx.AsyncClient(base_url=process.url) as http:
        while True:
            assert process.running.poll() is None, process.log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"{path} did not answer {status} within {seconds} s"
            try:
                reply = await http.get(path)
            except httpx.ConnectError:
                await asyncio.sleep(0.02)
                continue
            if reply.status_code == status:
                return reply
            await asyncio.sleep(0.05)


async def test_from_start_to_stop(process: Process) -> None:
    loading = await first_answer(process, "/health/ready", 503, FIRST_ANSWER_SECONDS)
    assert loading.json()["components"][0]["status"] == "loading"
    await first_answer(process, "/health/ready", 200, READY_SECONDS)

    async with GatewayClient(process.url, ServiceTokens(process.key)) as client:
        info = await client.model_info()
        assert (info.embedder, info.languages, info.generator) == (
            "sentence-transformers/all-MiniLM-L6-v2",
            ("en",),
            None,
        )
        with bind_request("request-0042"):
            await client.embed(["What is a private question?"], lane="query", tenant_id=None)
        assert await questions_while_passages_are_embedded(client) >= 3

        process.running.send_signal(signal.SIGTERM)
        assert process.running.wait(timeout=20) == 0
        with pytest.raises(GatewayError):
            await client.embed(["late"], lane="query", tenant_id=None)
    log = process.log.read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["route"] for line in lines if line.get("request_id") == "request-0042"] == ["/v1/embeddings"]
    assert "private" not in log
    assert "Gradient descent" not in log


async def questions_while_passages_are_embedded(client: GatewayClient) -> int:
    """Return how many questions were answered before the passages sent earlier were done."""
    passages = asyncio.create_task(client.embed([PASSAGE] * 40, lane="passage", tenant_id=None))
    await asyncio.sleep(0.1)
    answered = 0
    while not passages.done():
        batch = await client.embed(["What does gradient descent follow?"], lane="query", tenant_id=None)
        assert batch.dimensions == len(batch.vectors[0]) == 384
        answered += not passages.done()
    await passages
    return answered
