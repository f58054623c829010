"""Where webhooks may not go: addresses, names that lead to them, and names that change their mind."""

import socket
import threading
import time

import pytest

from backend.notifications import targets
from backend.notifications.targets import NameUnknown, Resolve, TargetRefused, check_target, is_public, parse_url

NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "169.254.0.1", "169.254.169.254", "168.63.129.16", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1",
    "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "localhost", "",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "172.15.255.255",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81a::200e",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_not_everybody_can_reach_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_everybody_can_reach_is_public(address: str) -> None:
    assert is_public(address)


def answering(*addresses: str) -> Resolve:
    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.mark.parametrize("address", [address for address in NOT_PUBLIC if address[:1].isdigit()])
async def test_a_name_that_leads_there_is_refused_alone_and_among_others(address: str) -> None:
    for addresses in ([address], ["93.184.216.34", address], [address, "93.184.216.34"]):
        with pytest.raises(TargetRefused):
            await check_target("https://hooks.example/a", resolve=answering(*addresses))


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "0177.0.0.1", "0", "[::1]",
     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127.0.0.1.", "169.254.169.254", "①②⑦.⓪.⓪.①"],
)  # fmt: skip
async def test_other_ways_to_write_an_inner_address(host: str) -> None:
    """As the system's own resolver reads them."""
    with pytest.raises(TargetRefused):
        await check_target(f"https://{host}/hook")


@pytest.mark.parametrize(
    "url",
    ["", "hooks.example", "//hooks.example", "http:///x", "https://", "ftp://hooks.example/", "file:///etc/passwd",
     "gopher://hooks.example/", "https://user@hooks.example/", "https://user:secret@hooks.example/", "https://hooks.example/#a",
     "https://hooks.example:99999/", "https://hooks.example:0/", "https://hooks.example:x/", "https://hooks .example/",
     "https://hooks.example/\r\nx: y",
     "https://[::1", "javascript:alert(1)", "https://" + "a" * 2000 + ".example/"],
)  # fmt: skip
async def test_what_is_no_address_of_a_web_server(url: str) -> None:
    with pytest.raises(TargetRefused):
        await check_target(url, resolve=answering("93.184.216.34"))


async def test_http_is_refused_even_to_a_public_address() -> None:
    with pytest.raises(TargetRefused, match="https"):
        await check_target("http://hooks.example/", resolve=answering("93.184.216.34"))
    target = await check_target("https://hooks.example/", resolve=answering("93.184.216.34", "2606:4700::1"))
    assert target.addresses == ["93.184.216.34", "2606:4700::1"]


async def test_in_development_this_machine_and_nothing_else_inside() -> None:
    target = await check_target("http://localhost:9/x", to_loopback=True, resolve=answering("::1", "127.0.0.1"))
    assert target.addresses == ["::1", "127.0.0.1"]
    for inner in ("10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"):
        with pytest.raises(TargetRefused):
            await check_target("http://hooks.example/", to_loopback=True, resolve=answering(inner))
    with pytest.raises(TargetRefused):
        await check_target("http://hooks.example/", to_loopback=True, resolve=answering("127.0.0.1", "10.0.0.1"))


async def test_a_name_without_an_address_is_unknown() -> None:
    with pytest.raises(NameUnknown):
        await check_target("https://hooks.example/", resolve=answering())
    with pytest.raises(NameUnknown):
        await check_target("https://nobody.invalid/")


async def test_a_name_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(targets, "RESOLVE_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_more: answered.wait(5))
    started_at = time.monotonic()
    try:
        with pytest.raises(NameUnknown):
            await check_target("https://hooks.example/")
    finally:
        answered.set()
    assert time.monotonic() - started_at < 2


def test_names_in_other_scripts_are_read() -> None:
    assert parse_url("https://جامعة.example/خ").raw_host.startswith(b"xn--")
