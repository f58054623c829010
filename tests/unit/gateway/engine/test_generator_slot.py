"""The generator's place: loading, ready, failed; and what a conversation looks like to the model."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from inference_gateway.contract import ChatDelta, ChatMessage, ChatRequest
from inference_gateway.engines.generation.prompts import Prompter
from inference_gateway.engines.generation.slot import Engine, GeneratorSlot, Wanted
from inference_gateway.engines.loading import Report
from inference_gateway.engines.model_files import ChecksumMismatch
from inference_gateway.errors import GenerationUnavailable, RequestRefused
from inference_gateway.ports import AuthorisedAdapter
from inference_gateway.transcript import transcript
from ops.runtime.health import StillLoading
from tests.gateways import deltas_of, pipe_of
from tests.models import small_tokenizer
from tests.processes import ROOT, eventually

TALK = (ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Hello"))
REQUEST = ChatRequest(messages=TALK)


class Parrot:
    """An engine that repeats."""

    def __init__(self) -> None:
        self.closed = False

    async def stream(
        self, request: ChatRequest, adapter: AuthorisedAdapter | None = None
    ) -> AsyncGenerator[ChatDelta, None]:
        yield ChatDelta(text=request.messages[-1].content, finish_reason="stop")

    async def check(self) -> None:
        """Always well."""

    def close(self) -> None:
        self.closed = True


def test_neither_gateway_nor_api_imports_torch_to_start() -> None:
    script = "import sys, inference_gateway.app, backend.app; print(*{'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""


async def test_it_loads_in_the_background_tells_how_far_and_then_answers() -> None:
    go_on = threading.Event()
    parrot = Parrot()

    def load(wanted: Wanted, report: Report) -> Engine:
        assert wanted.model == "house/tutor"
        report("loading weights")
        go_on.wait(timeout=10)
        return parrot

    slot = GeneratorSlot(Wanted(model="house/tutor"), load)
    generation = pipe_of(slot)
    assert generation.loads
    generation.start()
    await eventually(lambda: slot.progress.stage == "loading weights")
    for check in (generation.check, generation.settled):
        with pytest.raises(StillLoading, match="loading weights"):
            await check()
    with pytest.raises(GenerationUnavailable, match="loading"):
        await anext(deltas_of(generation, REQUEST))

    go_on.set()
    await eventually(lambda: slot.progress.stage == "ready")
    await generation.check()
    assert [delta.text async for delta in deltas_of(generation, REQUEST)] == ["Hello"]
    assert generation.model == "house/tutor"
    await generation.close()
    assert parrot.closed


async def test_a_load_that_fails_is_told_with_its_reason() -> None:
    def load(_wanted: Wanted, _report: Report) -> Engine:
        raise ChecksumMismatch("the weights are others")

    generation = pipe_of(GeneratorSlot(Wanted(model="house/tutor"), load))
    generation.start()
    deadline = asyncio.get_running_loop().time() + 5
    while asyncio.get_running_loop().time() < deadline:
        try:
            await generation.settled()
            break
        except StillLoading:
            await asyncio.sleep(0.005)

    with pytest.raises(GenerationUnavailable, match="the weights are others"):
        await generation.check()
    with pytest.raises(GenerationUnavailable, match="the weights are others"):
        await anext(deltas_of(generation, REQUEST))


async def test_the_real_load_and_its_checksum(small_llama: Path) -> None:
    slot = GeneratorSlot(Wanted(model=str(small_llama), sha256="0" * 64))
    slot.start()
    await eventually(lambda: slot.progress.stage == "failed")

    with pytest.raises(GenerationUnavailable, match="have sha256"):
        await slot.check()


def _text(tokenizer: Any, messages: tuple[ChatMessage, ...]) -> str:
    text: str = tokenizer.decode(Prompter(tokenizer).tokens(messages))
    return text


def test_a_conversation_is_laid_out_by_the_models_own_template() -> None:
    expected = "<s><|system|>Be brief.</s><|user|>Hello</s><|assistant|>"
    tokenizer = small_tokenizer()

    assert _text(tokenizer, TALK) == expected
    assert Prompter(tokenizer).tokens(TALK)[0] == 1


def test_a_template_without_system_messages_gets_it_before_the_first_question() -> None:
    tokenizer = small_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ m['content'] }}{% endfor %}"
    )

    assert _text(tokenizer, TALK) == "Be brief.\n\nHello"


def test_a_template_that_refuses_is_a_refused_request_and_none_gives_a_transcript() -> None:
    tokenizer = small_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(RequestRefused):
        Prompter(tokenizer).tokens(TALK)

    tokenizer.chat_template = None
    assert _text(tokenizer, TALK) == transcript(TALK)
