"""The gateway's doors: tokens, bad input, errors in two shapes, health, request ids."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest

from inference_gateway.contract import EMBED_PURPOSE, GENERATE_PURPOSE, METRICS_PURPOSE
from inference_gateway.engines.lanes import LaneLimits
from tests.gateways import HashingEncoder, RunningGateway, running_gateway
from tests.processes import until

PROTECTED = [
    ("POST", "/v1/embeddings", EMBED_PURPOSE),
    ("POST", "/v1/chat/completions", GENERATE_PURPOSE),
    ("GET", "/v1/models", EMBED_PURPOSE),
    ("GET", "/metrics", METRICS_PURPOSE),
]
CHAT = {"messages": [{"role": "user", "content": "hi"}]}


def call(gateway: RunningGateway, method: str, path: str, **options: Any) -> httpx.Response:
    return httpx.request(method, f"{gateway.url}{path}", timeout=10, **options)


def post(gateway: RunningGateway, path: str, content: bytes | str, **headers: str) -> httpx.Response:
    purpose = EMBED_PURPOSE if "embeddings" in path else GENERATE_PURPOSE
    sent = {**gateway.headers(purpose), "Content-Type": "application/json", **headers}
    return call(gateway, "POST", path, content=content, headers=sent)


@pytest.mark.parametrize(("method", "path", "purpose"), PROTECTED)
@pytest.mark.parametrize("fault", ["absent", "garbage", "other key", "other purpose", "expired", "basic"])
def test_a_bad_token_opens_nothing(
    lonely_gateway: RunningGateway, method: str, path: str, purpose: str, fault: str
) -> None:
    good = lonely_gateway.token(purpose)
    claims = jwt.decode(good, options={"verify_signature": False})
    expired = jwt.encode({**claims, "exp": 1}, lonely_gateway.key, algorithm="HS256", headers={"typ": "svc+jwt"})
    foreign = jwt.encode(claims, b"x" * 32, algorithm="HS256", headers={"typ": "svc+jwt"})
    headers = {
        "absent": {},
        "garbage": {"Authorization": "Bearer x.y.z"},
        "other key": {"Authorization": f"Bearer {foreign}"},
        "other purpose": lonely_gateway.headers("train"),
        "expired": {"Authorization": f"Bearer {expired}"},
        "basic": {"Authorization": f"Basic {good}"},
    }[fault]

    headers["X-Forwarded-For"] = "192.0.2.7"  # or `/metrics` would be open: the tests run on the same machine
    reply = call(lonely_gateway, method, path, headers=headers, json={"input": "x"} if method == "POST" else None)

    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert good not in reply.text


def test_a_good_token_opens_each(lonely_gateway: RunningGateway) -> None:
    bodies = {"/v1/embeddings": {"input": "x"}, "/v1/chat/completions": CHAT}
    statuses = {
        path: call(
            lonely_gateway, method, path, headers=lonely_gateway.headers(purpose), json=bodies.get(path)
        ).status_code
        for method, path, purpose in PROTECTED
    }

    assert statuses == {"/v1/embeddings": 200, "/v1/chat/completions": 503, "/v1/models": 200, "/metrics": 200}


def test_metrics_are_open_on_this_machine_and_nothing_else_is(lonely_gateway: RunningGateway) -> None:
    statuses = {path: call(lonely_gateway, method, path).status_code for method, path, _ in PROTECTED}

    assert [path for path, status in statuses.items() if status == 200] == ["/metrics"]
    assert set(statuses.values()) == {200, 401}


def test_a_token_to_embed_does_not_generate(lonely_gateway: RunningGateway) -> None:
    headers = lonely_gateway.headers(EMBED_PURPOSE)

    assert call(lonely_gateway, "POST", "/v1/chat/completions", headers=headers, json=CHAT).status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "pointer"),
    [
        ("/v1/embeddings", {"input": "x", "colour": 1}, 422, "invalid_request", "/colour"),
        ("/v1/embeddings", {}, 422, "invalid_request", "/input"),
        ("/v1/embeddings", {"input": []}, 422, "invalid_request", "/input"),
        ("/v1/embeddings", {"input": ["a", 3]}, 422, "invalid_request", "/input/1"),
        ("/v1/embeddings", {"input": ["x"] * 2049}, 422, "invalid_request", "/input"),
        ("/v1/embeddings", {"input": "x" * 65_537}, 422, "invalid_request", "/input"),
        ("/v1/embeddings", {"input": "x", "lane": "fast"}, 422, "invalid_request", "/lane"),
        ("/v1/embeddings", {"input": "x", "dimensions": 7}, 422, "invalid_request", "/dimensions"),
        ("/v1/embeddings", {"input": "x", "model": "other"}, 404, "model_not_found", "/model"),
        ("/v1/chat/completions", {"messages": []}, 422, "invalid_request", "/messages"),
        ("/v1/chat/completions", {"messages": [{"role": "user"}]}, 422, "invalid_request", "/messages/0/content"),
        ("/v1/chat/completions", {**CHAT, "n": 2}, 422, "invalid_request", "/n"),
        ("/v1/chat/completions", {**CHAT, "max_tokens": 10**26}, 422, "invalid_request", "/max_tokens"),
        ("/v1/chat/completions", {**CHAT, "temperature": -1}, 422, "invalid_request", "/temperature"),
        (
            "/v1/chat/completions",
            {"messages": [{"role": "root", "content": "hi"}]},
            422,
            "invalid_request",
            "/messages/0/role",
        ),
        ("/v1/chat/completions", CHAT, 503, "generation_unavailable", None),
    ],
)
def test_bad_input_is_named_and_pointed_at(
    lonely_gateway: RunningGateway, path: str, body: dict[str, Any], status: int, code: str, pointer: str | None
) -> None:
    reply = post(lonely_gateway, path, json.dumps(body))

    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, pointer)


@pytest.mark.parametrize("content", [b"{", b"", b'{"input": "\xff"}', b'{"input": "x"} y'])
def test_what_is_not_json_is_malformed(lonely_gateway: RunningGateway, content: bytes) -> None:
    reply = post(lonely_gateway, "/v1/embeddings", content)

    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "malformed_json")


def test_thousands_of_nested_levels_are_refused(lonely_gateway: RunningGateway) -> None:
    for content in (b"[" * 100_000, b'{"input": ' + b"[" * 100_000, b'{"a": ' * 100_000):
        assert post(lonely_gateway, "/v1/embeddings", content).status_code in (400, 422)


def test_other_media_types_and_huge_bodies_are_refused(lonely_gateway: RunningGateway) -> None:
    text = post(lonely_gateway, "/v1/embeddings", '{"input": "x"}', **{"Content-Type": "text/plain"})
    huge = post(lonely_gateway, "/v1/embeddings", b" " * (33 * 1024 * 1024))

    assert (text.status_code, text.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert (huge.status_code, huge.json()["error"]["code"]) == (413, "body_too_large")


def test_odd_texts_are_embedded_all_the_same(lonely_gateway: RunningGateway) -> None:
    reply = post(lonely_gateway, "/v1/embeddings", json.dumps({"input": ["", "\x00", "\u2028", "😀" * 1000]}))

    assert reply.status_code == 200
    assert len(reply.json()["data"]) == 4


def test_own_paths_answer_with_problem_documents(lonely_gateway: RunningGateway) -> None:
    missing = call(lonely_gateway, "GET", "/nothing", headers={"X-Request-ID": "request-0001"})
    method = call(lonely_gateway, "DELETE", "/health/live")

    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json() == {
        "type": "/problems/not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found.",
        "request_id": "request-0001",
    }
    assert (method.status_code, method.json()["type"]) == (405, "/problems/method-not-allowed")


def test_openai_paths_answer_in_openai_shape_even_without_a_route(lonely_gateway: RunningGateway) -> None:
    reply = call(lonely_gateway, "GET", "/v1/nothing")

    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "not_found"


def test_the_request_id_comes_back_and_a_strange_one_is_replaced(lonely_gateway: RunningGateway) -> None:
    kept = call(lonely_gateway, "GET", "/health/live", headers={"X-Request-ID": "abcdef-123456"})
    replaced = call(lonely_gateway, "GET", "/health/live", headers={"X-Request-ID": 'x" y\u00e9'.encode("latin-1")})

    assert kept.headers.get_list("x-request-id") == ["abcdef-123456"]
    assert len(replaced.headers["x-request-id"]) == 32


def test_health_tells_loading_from_ready() -> None:
    loading = threading.Event()
    with running_gateway(loading=loading) as gateway:
        live = call(gateway, "GET", "/health/live")
        until(lambda: "loading weights" in call(gateway, "GET", "/health/ready").text)
        waiting = call(gateway, "GET", "/health/ready")
        loading.set()
        until(lambda: call(gateway, "GET", "/health/ready").status_code == 200)
        ready = call(gateway, "GET", "/health/ready")

    assert live.status_code == 200
    assert waiting.status_code == 503
    (component,) = waiting.json()["components"]
    assert (component["name"], component["status"]) == ("embedder", "loading")
    assert component["detail"].startswith("loading weights (60%")
    assert ready.json()["status"] == "ready"


def test_health_embeds_a_sentence_and_sees_a_broken_model() -> None:
    encoder = HashingEncoder(failure=RuntimeError("no"))
    with running_gateway(encoder=encoder) as gateway:
        reply = call(gateway, "GET", "/health/ready")

    assert reply.status_code == 503
    assert reply.json()["components"][0]["status"] == "down"
    assert encoder.batches == [["The quick brown fox jumps over the lazy dog."]]


def test_a_full_lane_is_429_with_retry_after_and_the_other_lane_stays_open() -> None:
    encoder = HashingEncoder(limits=LaneLimits(waiting_passages=10, waiting_questions=10))
    encoder.gate.clear()
    with running_gateway(encoder=encoder) as gateway:
        full = post(gateway, "/v1/embeddings", json.dumps({"input": ["x"] * 11, "lane": "passage"}))
        encoder.gate.set()
        question = post(gateway, "/v1/embeddings", json.dumps({"input": ["x"] * 10, "lane": "query"}))

    assert (full.status_code, full.json()["error"]["code"]) == (429, "overloaded")
    assert 1 <= int(full.headers["retry-after"]) <= 60
    assert question.status_code == 200


def test_metrics_count_texts_by_lane(lonely_gateway: RunningGateway) -> None:
    post(lonely_gateway, "/v1/embeddings", '{"input": ["a", "b"], "lane": "query"}')

    text = call(lonely_gateway, "GET", "/metrics", headers=lonely_gateway.headers(METRICS_PURPOSE)).text

    assert 'lyceum_embedded_texts_total{lane="query"}' in text
    assert 'lyceum_gateway_requests_total{operation="POST /v1/embeddings",outcome="2xx"}' in text


def test_client_that_leaves_before_its_body_ends_is_no_fault_of_ours(
    lonely_gateway: RunningGateway, capfd: pytest.CaptureFixture[str]
) -> None:
    url = httpx.URL(lonely_gateway.url)
    with socket.create_connection((url.host, url.port or 0)) as client:
        lines = [
            "POST /v1/embeddings HTTP/1.1",
            f"Host: {url.host}",
            "Content-Type: application/json",
            "Content-Length: 99",
        ]
        lines += [f"Authorization: {lonely_gateway.headers(EMBED_PURPOSE)['Authorization']}", "", '{"input']
        client.sendall("\r\n".join(lines).encode())
        time.sleep(0.2)
    deadline = time.monotonic() + 5
    log = ""
    while "status=499" not in log and "499" not in log:
        assert time.monotonic() < deadline, log
        time.sleep(0.05)
        log += "".join(capfd.readouterr())
    assert "unexpected_error" not in log


def test_the_hot_path_refuses_as_a_route_of_the_framework_does(lonely_gateway: RunningGateway) -> None:
    """`/v1/chat/completions` has no request object; `/v1/completions` has."""

    def in_pieces() -> Iterator[bytes]:
        for _ in range(33):
            yield b" " * (1024 * 1024)

    cases: dict[str, tuple[bytes | Callable[[], Iterator[bytes]], dict[str, str]]] = {
        "other media type": (b"{}", {"Content-Type": "text/plain"}),
        "no media type": (b"{}", {"Content-Type": ""}),
        "parameters of the media type": (b"{", {"Content-Type": "Application/JSON; charset=utf-8"}),
        "too large": (b" " * (33 * 1024 * 1024), {}),
        "too large in pieces": (in_pieces, {}),
        "not JSON": (b'{"a": "\xff"}', {}),
        "nothing": (b"", {}),
        "nested": (b"[" * 100_000, {}),
        "unknown field": (b'{"colour": 1}', {}),
        "no token": (b"{}", {"Authorization": ""}),
        "odd host": (b"{}", {"Host": "a b"}),
    }
    for name, (content, headers) in cases.items():
        hot, other = (
            post(lonely_gateway, path, content() if callable(content) else content, **headers)  # type: ignore[arg-type]
            for path in ("/v1/chat/completions", "/v1/completions")
        )
        assert hot.status_code >= 400, name
        assert (hot.status_code, hot.json(), shape(hot)) == (other.status_code, other.json(), shape(other)), name


def test_the_hot_path_takes_post_alone(lonely_gateway: RunningGateway) -> None:
    reply = call(lonely_gateway, "GET", "/v1/chat/completions", headers=lonely_gateway.headers(GENERATE_PURPOSE))

    assert (reply.status_code, reply.json()["error"]["code"]) == (405, "method_not_allowed")
    assert reply.headers["allow"] == "POST"


def shape(reply: httpx.Response) -> dict[str, str]:
    """The headers but those that differ from one request to the next."""
    return {name: value for name, value in reply.headers.items() if name not in ("date", "x-request-id")}
