"""Sends one message to a checked address. Only the status of the answer is wanted: its body is not read."""

import asyncio
import ssl
import time
from functools import cache
from typing import Final, Literal

import httpx
import msgspec

from backend.notifications.targets import NameUnknown, Resolve, Target, TargetRefused, check_target, resolve

ANSWER_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0
TRIED_ADDRESSES: Final = 3
USER_AGENT: Final = "Lyceum-Webhooks/1"

Failure = Literal[
    "status", "redirect", "gone", "timeout", "tls", "connection", "name-unknown", "address-refused", "protocol"
]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an attempt; without an `error` the receiver has taken the message."""

    status: int | None = None
    error: Failure | None = None
    duration_ms: int = 0


class Sender:
    """Sends messages. `context` says whom to trust; without one, the authorities that httpx brings."""

    def __init__(
        self, *, to_loopback: bool = False, context: ssl.SSLContext | None = None, resolve: Resolve = resolve
    ) -> None:
        self._to_loopback = to_loopback
        self._context = context
        self._resolve = resolve

    async def check(self, url: str) -> Target:
        """Return where messages to `url` would go now; raises `TargetRefused`."""
        return await check_target(url, to_loopback=self._to_loopback, resolve=self._resolve)

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Outcome:
        """Send the message and say what became of it, after 15 s at the latest."""
        started_at = time.perf_counter()
        outcome = await self._outcome(url, headers, body)
        return msgspec.structs.replace(outcome, duration_ms=round((time.perf_counter() - started_at) * 1000))

    async def _outcome(self, url: str, headers: dict[str, str], body: bytes) -> Outcome:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
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

    async def _post(self, target: Target, headers: dict[str, str], body: bytes) -> int:
        """Connect to one of the checked addresses, under the name that was asked for, and return the status."""
        context = self._context or trusted()
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        async with httpx.AsyncClient(
            verify=context, timeout=timeout, trust_env=False, follow_redirects=False
        ) as client:
            *others, last = target.addresses[:TRIED_ADDRESSES]
            for address in others:
                try:
                    return await _status(client, target.url, address, headers, body)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    continue
            return await _status(client, target.url, last, headers, body)


async def _status(client: httpx.AsyncClient, url: httpx.URL, address: str, headers: dict[str, str], body: bytes) -> int:
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
    return answer.status_code


@cache
def trusted() -> ssl.SSLContext:
    """Return the context of public servers; making one takes some 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


def _judged(status: int) -> Outcome:
    match status // 100:
        case 2:
            return Outcome(status=status)
        case 3:
            return Outcome(status=status, error="redirect")
    return Outcome(status=status, error="gone" if status == httpx.codes.GONE else "status")


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
