"""Where webhooks may be sent: to public addresses alone, as the name resolves at the moment of sending.

A name is resolved once, every address it has must be public, and the connection goes to one of exactly those addresses:
a name that changes between check and connect (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple

import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]

MAX_URL_CHARACTERS: Final = 2000
RESOLVE_SECONDS: Final = 5.0
LOOPBACK_SCHEME: Final = "http"
PORTS: Final = {"http": 80, "https": 443}

# Threads of their own: name servers that do not answer must not take those that others work in.
_askers: Final = ThreadPoolExecutor(4, thread_name_prefix="names")

# IANA's special-purpose registries, written out: what `ipaddress` says of them differs between versions of Python.
_SPECIAL: Final = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # the host of virtual machines in Azure
        "::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
        "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
]  # fmt: skip


_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")
"""All of IPv6 that IANA has given out for it."""


class TargetRefused(Exception):
    """The address cannot be used; the message says why, and may be shown to whoever wrote it."""


class NameUnknown(TargetRefused):
    """The name does not resolve now."""


class Target(NamedTuple):
    """A checked address: connect to one of `addresses`, and speak of `url`."""

    url: httpx.URL
    addresses: list[str]


def is_public(address: str) -> bool:
    """Tell whether an IP address can be reached by everybody on the internet."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    is_unicast = parsed.version == 4 or parsed in _GLOBAL_UNICAST
    return is_unicast and parsed.is_global and not any(parsed in network for network in _SPECIAL)


def is_loopback(address: str) -> bool:
    """Tell whether an IP address is this machine's own."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def parse_url(text: str) -> httpx.URL:
    """Read the URL of an endpoint.

    Raises:
        TargetRefused: it is none, has a user, password or fragment, or another scheme than http and https.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise TargetRefused("This is not the address of a web server.") from error
    if (
        url.scheme not in PORTS
        or not url.host
        or len(text) > MAX_URL_CHARACTERS
        or not text.isprintable()
        or " " in text
    ):
        raise TargetRefused("Write an address like https://example.org/hooks.")
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise TargetRefused("The address holds no such port.")
    if url.userinfo or "#" in text:
        raise TargetRefused("The address must hold neither a name, a password nor a fragment.")
    return url


async def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a name, the preferred one first; raises `NameUnknown`, after 5 s at the latest."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().run_in_executor(_askers, ask)
    except (OSError, UnicodeError) as error:  # of which a timeout is one
        raise NameUnknown("The name of the server does not resolve.") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def check_target(text: str, *, to_loopback: bool = False, resolve: Resolve = resolve) -> Target:
    """Return where a message to this URL has to go now.

    Args:
        to_loopback: this machine's own addresses are allowed too, over http as well; for development.

    Raises:
        TargetRefused: the URL cannot be used, or one of the addresses it leads to is not public.
    """
    url = parse_url(text)
    host = url.raw_host.decode("ascii").strip("[]")
    addresses = await resolve(host, url.port or PORTS[url.scheme])
    if not addresses:
        raise NameUnknown("The name of the server does not resolve.")
    if to_loopback and all(is_loopback(address) for address in addresses):
        return Target(url, addresses)
    if not all(is_public(address) for address in addresses):
        raise TargetRefused("The address does not lead to a server on the public internet.")
    if url.scheme == LOOPBACK_SCHEME:
        raise TargetRefused("Use https.")
    return Target(url, addresses)
