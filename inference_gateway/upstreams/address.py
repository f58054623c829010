"""Addresses of upstreams: http or https to a host that is not the machine's own metadata service (CWE-918).

What is written is checked when the gateway starts; what a name resolves to, each time a connection is made.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from ops.runtime.settings import SettingsError

REFUSED_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "metadata", "instance-data"})
_METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(text) for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
)
"""Of clouds that do not keep theirs at a link-local address."""

_MESSAGE = "takes http(s)://host[:port][/path] without user, query or fragment"


class AddressRefused(Exception):
    """The address may not be an upstream's; the message repeats none of it, as it may hold a secret."""


def checked_address(url: str) -> str:
    """Return the base address without `/v1` and slash at the end; raises `AddressRefused`."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused(_MESSAGE) from None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.query or parts.fragment:
        raise AddressRefused(_MESSAGE)
    if host.rstrip(".").lower() in REFUSED_NAMES or is_refused(host):
        raise AddressRefused("takes no link-local, multicast or metadata address")
    return url.rstrip("/").removesuffix("/v1")


def set_address(url: str, told_by: str) -> str:
    """Return the address that an operator wrote, checked; raises `SettingsError` beginning with `told_by`."""
    try:
        return checked_address(url)
    except AddressRefused as error:
        raise SettingsError(f"{told_by} {error}") from None


def is_refused(host: str) -> bool:
    """Tell whether `host` is a number, in any notation that `connect` understands, where no upstream can be."""
    address = _number(host)
    if address is None:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.is_reserved and not address.is_loopback)
        or address in _METADATA_ADDRESSES
    )


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that `host` writes, None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _number_for_connect(host)


def _number_for_connect(host: str) -> ipaddress.IPv4Address | None:
    """Read also what `connect` takes for a number and the standard notation does not: `127.1`, `0x7f000001`, `017700000001`."""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError):
        return None
