"""Names and numbers in every dialect: aliases in the list, unknown ones 404, too many tokens 422 with the limit."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import openai
import pytest

from inference_gateway.contract import EMBED_PURPOSE, GENERATE_PURPOSE, MAX_COMPLETION_TOKENS
from tests.contract.gateway.conftest import DEADLINES
from tests.fakes.openai_server import openai_server
from tests.fakes.server import FakeServer
from tests.fakes.tgi_server import tgi_server
from tests.gateways import INFO, RunningGateway, running_gateway

MESSAGES: Any = [{"role": "user", "content": "[1] The moon is far.\n\nQuestion: How far is the moon?"}]
ANSWER = "The moon is far [1]."
CONTEXT_TOKENS = 2048


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[FakeServer, FakeServer]]:
    with openai_server() as first, tgi_server() as second:
        yield first, second


@pytest.fixture(scope="module")
def gateway(
    servers: tuple[FakeServer, FakeServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text(
        f"""
        default = "tutor"
        [upstreams.first]
        address = "{servers[0].url}"
        context_tokens = {CONTEXT_TOKENS}
        [upstreams.second]
        api = "tgi"
        address = "{servers[1].url}"
        [aliases]
        "examiner@next" = ["second"]
        "tutor@stable" = ["first", "second"]
        """
    )
    with running_gateway(routes=routes, deadlines=DEADLINES) as running:
        yield running


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[openai.AsyncOpenAI]:
    token = gateway.token(GENERATE_PURPOSE)
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=token, max_retries=0) as connected:
        yield connected


def post(gateway: RunningGateway, path: str, body: Any, purpose: str = GENERATE_PURPOSE) -> httpx.Response:
    return httpx.post(f"{gateway.url}{path}", json=body, headers=gateway.headers(purpose), timeout=20)


async def test_the_aliases_are_listed_with_their_versions_the_default_first(client: openai.AsyncOpenAI) -> None:
    listing = await client.models.list()

    assert [(card.id, (card.model_extra or {})["kind"]) for card in listing.data] == [
        (INFO.embedder, "embedding"),
        ("tutor@stable", "generation"),
        ("examiner@next", "generation"),
    ]


@pytest.mark.parametrize("name", ["tutor@stable", "tutor", "", "tgi", "examiner@next"])
async def test_every_name_in_the_list_answers(client: Any, name: str) -> None:
    chat = await client.chat.completions.create(model=name, messages=MESSAGES)
    raw = await client.completions.create(model=name, prompt=MESSAGES[0]["content"], max_tokens=32)

    assert chat.choices[0].message.content == raw.choices[0].text == ANSWER


UNKNOWN = [
    ("/v1/chat/completions", {"messages": MESSAGES, "model": "tutor@next"}, GENERATE_PURPOSE, "model_not_found"),
    ("/v1/completions", {"prompt": "x", "model": "examiner"}, GENERATE_PURPOSE, "model_not_found"),
    ("/v1/embeddings", {"input": "x", "model": "tutor"}, EMBED_PURPOSE, "model_not_found"),
    ("/tokenize", {"inputs": "x", "model": "gpt-9"}, GENERATE_PURPOSE, "model_not_found"),
    ("/chat_tokenize", {"messages": MESSAGES, "model": "gpt-9"}, GENERATE_PURPOSE, "model_not_found"),
    ("/v1/chat/completions", {"messages": MESSAGES, "adapter": f"a@{'0' * 64}"}, GENERATE_PURPOSE, "adapter_not_found"),
    (
        "/generate",
        {"inputs": "x", "parameters": {"adapter_id": f"a@{'0' * 64}"}},
        GENERATE_PURPOSE,
        "adapter_not_found",
    ),
    ("/", {"inputs": "x", "parameters": {"adapter_id": "a"}}, GENERATE_PURPOSE, "adapter_not_found"),
]


@pytest.mark.parametrize(("path", "body", "purpose", "code"), UNKNOWN)
def test_an_unknown_name_is_404_in_each_dialect(
    gateway: RunningGateway, path: str, body: Any, purpose: str, code: str
) -> None:
    reply = post(gateway, path, body, purpose)

    told = reply.json()
    assert reply.status_code == 404
    assert (told["error"]["code"] if path.startswith("/v1/") else told["code"]) == code
    if path.startswith("/v1/"):
        assert set(told) == {"error"}
        assert told["error"]["param"] == ("/adapter" if "adapter" in body else "/model")
    else:
        assert set(told) == {"error", "error_type", "code"}


@pytest.mark.parametrize("tokens", [CONTEXT_TOKENS + 1, MAX_COMPLETION_TOKENS + 1])
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/chat/completions", {"messages": MESSAGES}, "max_tokens"),
        ("/v1/chat/completions", {"messages": MESSAGES, "stream": True}, "max_completion_tokens"),
        ("/v1/completions", {"prompt": "x"}, "max_tokens"),
        ("/generate", {"inputs": "x"}, "max_new_tokens"),
        ("/generate_stream", {"inputs": "x"}, "max_new_tokens"),
        ("/", {"inputs": "x"}, "max_new_tokens"),
    ],
)
def test_too_many_tokens_are_422_with_the_limit(
    gateway: RunningGateway, path: str, body: Any, field: str, tokens: int
) -> None:
    limit = MAX_COMPLETION_TOKENS if tokens > MAX_COMPLETION_TOKENS else CONTEXT_TOKENS
    wanted = {**body, "parameters": {field: tokens}} if field == "max_new_tokens" else {**body, field: tokens}

    reply = post(gateway, path, wanted)

    error = reply.json()["error"]
    assert reply.status_code == 422
    assert str(limit) in (error["message"] if path.startswith("/v1/") else error)


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wanted_whole_comes_whole_from_either_server(
    gateway: RunningGateway, servers: tuple[FakeServer, FakeServer], stream: bool
) -> None:
    prompt = MESSAGES[0]["content"]
    either = post(gateway, "/", {"inputs": prompt, "stream": stream})
    whole = post(gateway, "/generate", {"inputs": prompt})

    assert whole.json() == {"generated_text": ANSWER}
    assert either.headers["content-type"].startswith("text/event-stream" if stream else "application/json")
    assert ANSWER in either.text


def test_a_fault_after_the_first_words_of_a_whole_answer_is_another_servers_turn(
    gateway: RunningGateway, servers: tuple[FakeServer, FakeServer]
) -> None:
    """Nobody has read a word of it yet, so that it can be asked for again."""
    servers[0].behave("cut")

    reply = post(gateway, "/generate", {"inputs": MESSAGES[0]["content"]})

    assert reply.json() == {"generated_text": ANSWER}
