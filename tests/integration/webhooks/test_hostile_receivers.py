"""Receivers that point elsewhere, never end, or are not who they were when they were checked."""

import time
from pathlib import Path

import pytest

from backend.notifications import patience
from backend.notifications.sending import Outcome, Sender
from tests.certificates import certificate
from tests.integration.webhooks.receiver import (
    Answer,
    drip,
    endless_body,
    endless_head,
    nonsense,
    receiving,
    silence,
    status,
)

BODY = b'{"type":"ping"}'
NAME = "hooks.example"


class Names:
    """A name server whose answers change; it counts the questions."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> list[str]:
        self.asked += 1
        return [self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]]


async def sent(url: str, **how: object) -> Outcome:
    return await Sender(to_loopback=True, **how).send(url, {"webhook-id": "m"}, BODY)  # type: ignore[arg-type]


async def test_redirects_are_not_followed() -> None:
    async with receiving() as inner, receiving() as outer:
        for code in (301, 302, 303, 307, 308):
            outer.answer(status(code, f"location: {inner.url}"))
            outcome = await sent(outer.url)
            assert (outcome.status, outcome.error) == (code, "redirect")
        assert (len(outer.requests), inner.requests) == (5, [])


@pytest.mark.parametrize(
    ("answer", "error"),
    [(silence, "timeout"), (drip, "timeout"), (endless_head, "protocol"), (nonsense, "protocol"), (endless_body, None)],
)
async def test_answers_without_end_cost_little(
    answer: Answer, error: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 1.0)
    async with receiving() as receiver:
        receiver.answer(answer)
        started_at = time.monotonic()
        outcome = await sent(receiver.url)
        assert outcome.error == error
        assert time.monotonic() - started_at < 2.5
        assert outcome.duration_ms < 2500


async def test_a_receiver_that_stays_silent_holds_a_place_for_less_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(patience, "SHORT_SECONDS", 0.4)
    sender = Sender(to_loopback=True)
    async with receiving() as silent, receiving() as other:
        silent.answer(silence, silence, silence, 204, silence)
        took = []
        for _ in range(5):
            outcome = await sender.send(silent.url, {}, BODY)
            took.append((outcome.error, outcome.duration_ms >= 1000))
        assert took == [("timeout", True), ("timeout", True), ("timeout", False), (None, False), ("timeout", True)]
        other.answer(silence)
        assert (await sender.send(other.url, {}, BODY)).duration_ms >= 1000, "it has done nothing yet"


async def test_nobody_there() -> None:
    async with receiving() as receiver:
        url = receiver.url
    assert (await sent(url)).error == "connection"


async def test_a_name_that_turns_inside_after_it_was_accepted_is_not_sent_to() -> None:
    """Public when the endpoint was made, this machine's at the delivery: refused, and nothing is connected to."""
    async with receiving() as receiver:
        names = Names("93.184.216.34", "127.0.0.1")
        sender = Sender(resolve=names)
        url = f"https://{NAME}:{receiver.port}/"
        assert (await sender.check(url)).addresses == ["93.184.216.34"]
        assert (await sender.send(url, {}, BODY)).error == "address-refused"
        assert receiver.requests == []


async def test_the_address_that_was_checked_is_the_one_connected_to(tmp_path: Path) -> None:
    """The name is asked for once per message: a second answer, for the connection, would have no check behind it."""
    server, client = certificate(tmp_path, NAME)
    async with receiving(server) as receiver:
        names = Names("127.0.0.1", "10.0.0.1")
        outcome = await sent(f"https://{NAME}:{receiver.port}/a", context=client, resolve=names)
        assert (outcome.status, names.asked) == (204, 1)
        (got,) = receiver.requests
        assert got.headers["host"] == f"{NAME}:{receiver.port}"
        assert receiver.server_names == [NAME]


async def test_the_certificate_must_be_the_name_s(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "other.example")
    async with receiving(server) as receiver:
        url = f"https://{NAME}:{receiver.port}/"
        assert (await sent(url, context=client, resolve=Names("127.0.0.1"))).error == "tls"
        assert (await sent(url, resolve=Names("127.0.0.1"))).error == "tls", "signed by nobody who is known"
        assert receiver.requests == []


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async def both(_host: str, _port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    async with receiving() as receiver:
        outcome = await sent(f"http://localhost:{receiver.port}/", resolve=both)
        assert (outcome.status, len(receiver.requests)) == (204, 1)


async def test_the_environment_s_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert (await sent(receiver.url)).status == 204
        assert (proxy.requests, len(receiver.requests)) == ([], 1)
