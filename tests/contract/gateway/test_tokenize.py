"""TGI's tokenisers at the gateway's door: the embedded engine's own, the TGI server's passed through, else a clear no."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from transformers import AutoTokenizer

from inference_gateway.contract import EMBED_PURPOSE, GENERATE_PURPOSE
from tests import models
from tests.contract.gateway.conftest import DEADLINES
from tests.fakes.server import FakeServer
from tests.fakes.tgi_server import BEGINNING, tgi_server
from tests.gateways import RunningGateway, running_gateway
from tests.processes import until

small_llama = models.small_llama

TEXT = "Gradient descent, ما هو؟"
CHAT: Any = {"messages": [{"role": "user", "content": TEXT}]}


def post(gateway: RunningGateway, path: str, body: Any, purpose: str = GENERATE_PURPOSE) -> httpx.Response:
    return httpx.post(f"{gateway.url}{path}", json=body, headers=gateway.headers(purpose), timeout=20)


@pytest.fixture(scope="module")
def embedded(small_llama: Path) -> Iterator[RunningGateway]:
    with running_gateway(model=str(small_llama)) as gateway:
        until(lambda: post(gateway, "/tokenize", {"inputs": "x"}).status_code == 200, 30)
        yield gateway


@pytest.fixture(scope="module")
def before_tgi() -> Iterator[tuple[RunningGateway, FakeServer]]:
    with (
        tgi_server() as fake,
        running_gateway(generation_url=fake.url, generation_api="tgi", deadlines=DEADLINES) as one,
    ):
        yield one, fake


def test_the_embedded_engine_tells_its_own_tokens(embedded: RunningGateway, small_llama: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(small_llama)

    tokens = post(embedded, "/tokenize", {"inputs": TEXT, "parameters": {"max_new_tokens": 3}}).json()
    chat = post(embedded, "/chat_tokenize", CHAT).json()

    assert [token["id"] for token in tokens] == tokenizer(TEXT)["input_ids"]
    assert all(token["text"] == TEXT[token["start"] : token["stop"]] for token in tokens)
    laid_out = tokenizer.apply_chat_template(CHAT["messages"], add_generation_prompt=True, tokenize=False)
    assert chat["templated_text"] == laid_out
    assert [token["id"] for token in chat["tokenize_response"]] == tokenizer(laid_out, add_special_tokens=False)[
        "input_ids"
    ]


def test_tgi_is_asked_and_its_answer_passed_on(before_tgi: tuple[RunningGateway, FakeServer]) -> None:
    gateway, fake = before_tgi

    tokens = post(gateway, "/tokenize", {"inputs": TEXT}).json()
    chat = post(gateway, "/chat_tokenize", CHAT).json()

    assert tokens == httpx.post(f"{fake.url}/tokenize", json={"inputs": TEXT}).json()
    assert chat["templated_text"].startswith(BEGINNING)
    assert chat == httpx.post(f"{fake.url}/chat_tokenize", json=CHAT).json()


def test_a_server_that_tells_no_tokens_is_named(gateway: RunningGateway, lonely_gateway: RunningGateway) -> None:
    replies = [post(gateway, "/tokenize", {"inputs": "x"}), post(gateway, "/chat_tokenize", CHAT)]
    nothing = post(lonely_gateway, "/tokenize", {"inputs": "x"})

    for reply in replies:
        assert (reply.status_code, reply.json()["code"], reply.json()["error_type"]) == (
            422,
            "not_offered",
            "validation",
        )
        assert "tutor" in reply.json()["error"]
    assert (nothing.status_code, nothing.json()["code"]) == (503, "generation_unavailable")


def test_a_base_model_of_tgi_has_no_conversations() -> None:
    with (
        tgi_server(chat_template=False) as fake,
        running_gateway(generation_url=fake.url, generation_api="tgi", deadlines=DEADLINES) as gateway,
    ):
        reply = post(gateway, "/chat_tokenize", CHAT)

    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request")


def test_an_unreachable_tgi_is_unavailable() -> None:
    with running_gateway(generation_url="http://127.0.0.1:9", generation_api="tgi", deadlines=DEADLINES) as gateway:
        reply = post(gateway, "/tokenize", {"inputs": "x"})

    assert (reply.status_code, reply.json()["code"]) == (503, "generation_unavailable")


def test_a_template_that_refuses_a_conversation_is_422(small_llama: Path, tmp_path: Path) -> None:
    strict = tmp_path / "strict"
    shutil.copytree(small_llama, strict)
    (strict / "chat_template.jinja").write_text("{{ raise_exception('no') }}")
    with running_gateway(model=str(strict)) as gateway:
        until(lambda: post(gateway, "/tokenize", {"inputs": "x"}).status_code == 200, 30)
        reply = post(gateway, "/chat_tokenize", CHAT)

    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/tokenize", {}, 422),
        ("/tokenize", {"inputs": "x", "colour": 1}, 422),
        ("/tokenize", {"inputs": "x", "model": "gpt-9"}, 404),
        ("/chat_tokenize", {"messages": []}, 422),
        ("/chat_tokenize", {**CHAT, "model": "gpt-9"}, 404),
    ],
)
def test_bad_input_is_told_in_tgis_shape(embedded: RunningGateway, path: str, body: Any, status: int) -> None:
    reply = post(embedded, path, body)

    assert (reply.status_code, set(reply.json())) == (status, {"error", "error_type", "code"})


@pytest.mark.parametrize("path", ["/tokenize", "/chat_tokenize"])
def test_a_token_to_embed_opens_neither(embedded: RunningGateway, path: str) -> None:
    assert post(embedded, path, {"inputs": "x"}, EMBED_PURPOSE).status_code == 401
