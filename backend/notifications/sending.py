"""Sends one message to a checked address. Only the head of the answer is wanted: its body is not read."""

import asyncio
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Final, Literal

import httpx
import msgspec

from backend.notifications.patience import Patience
from backend.notifications.targets import NameUnknown, Resolve, Target, TargetRefused, check_target, resolve

CONNECT_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 8 * 3600
"""A receiver may ask for this much; it is the longest pause between attempts anyway."""
TRIED_ADDRESSES: Final = 3
USER_AGENT: Final = "Lyceum-Webhooks/1"

Failure = Literal[
    "status", "redirect", "gone", "timeout", "tls", "connection", "name-unknown", "address-refused", "protocol"
]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an attempt; without an `error` the receiver has taken the message.

    `retry_after_seconds` is the pause that a receiver which is overloaded (429, 503) asks for.
    """

    status: int | None = None
    error: Failure | None = None
    duration_ms: int = 0
    retry_after_seconds: int | None = None


class Sender:
    """Sends messages. `context` says whom to trust; without one, the authorities that httpx brings."""

    def __init__(
        self, *, to_loopback: bool = False, context: ssl.SSLContext | None = None, resolve: Resolve = resolve
    ) -> None:
        self._to_loopback = to_loopback
        self._context = context
        self._resolve = resolve
        self._patience = Patience()

    async def check(self, url: str) -> Target:
        """Return where messages to `url` would go now; raises `TargetRefused`."""
        return await check_target(url, to_loopback=self._to_loopback, resolve=self._resolve)

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Outcome:
        """Send the message and say what became of it, after 15 s at the latest; sooner where silence is to be expected."""
        started_at = time.perf_counter()
        outcome = await self._outcome(url, headers, body, self._patience.seconds(url))
        if outcome.error == "timeout":
            self._patience.was_silent(url)
        else:
            self._patience.answered(url)
        return msgspec.structs.replace(outcome, duration_ms=round((time.perf_counter() - started_at) * 1000))

    async def _outcome(self, url: str, headers: dict[str, str], body: bytes, seconds: float) -> Outcome:
        try:
            async with asyncio.timeout(seconds):
                return _judged(await self._post(await self.check(url), headers, body))
        except NameUnknown:
            return Outcome(error="name-unknown")
        except TargetRefused:
            return Outcome(error="address-refused")
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(error="timeout")
        except httpx.ConnectError as error:
            return Outcome(error="tls" if _is_tls(error) else "connection")
        except httpx.NetworkError:
            return Outcome(error="connection")
        except httpx.HTTPError:
            return Outcome(error="protocol")

    async def _post(self, target: Target, headers: dict[str, str], body: bytes) -> httpx.Response:
        """Connect to one of the checked addresses, under the name that was asked for, and return the answer's head."""
        context = self._context or trusted()
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
        async with httpx.AsyncClient(
            verify=context, timeout=timeout, trust_env=False, follow_redirects=False
        ) as client:
            *others, last = target.addresses[:TRIED_ADDRESSES]
            for address in others:
                try:
                    return await _answer(client, target.url, address, headers, body)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    continue
            return await _answer(client, target.url, last, headers, body)


async def _answer(
    client: httpx.AsyncClient, url: httpx.URL, address: str, headers: dict[str, str], body: bytes
) -> httpx.Response:
    named = {"host": url.netloc.decode("ascii"), "user-agent": USER_AGENT, "content-type": "application/json"}
    request = client.build_request(
        "POST",
        url.copy_with(host=address),
        headers=named | headers,
        content=body,
        extensions={"sni_hostname": url.raw_host.decode("ascii").strip("[]")},
    )
    answer = await client.send(request, stream=True)
    await answer.aclose()
    return answer


@cache
def trusted() -> ssl.SSLContext:
    """Return the context of public servers; making one takes some 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


def _judged(answer: httpx.Response) -> Outcome:
    status = answer.status_code
    match status // 100:
        case 2:
            return Outcome(status=status)
        case 3:
            return Outcome(status=status, error="redirect")
    if status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
        return Outcome(status=status, error="status", retry_after_seconds=pause(answer.headers.get("retry-after", "")))
    return Outcome(status=status, error="gone" if status == httpx.codes.GONE else "status")


def pause(retry_after: str) -> int | None:
    """Return the seconds that `Retry-After` asks for, 8 h at most: a number or a date (RFC 9110 §10.2.3); None if it is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:10]), LONGEST_PAUSE_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(round((moment - datetime.now(UTC)).total_seconds()), 0), LONGEST_PAUSE_SECONDS)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
