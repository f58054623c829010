"""Addresses that may not be an upstream's, in every notation a resolver takes."""

from typing import Literal

import pytest

from inference_gateway.errors import GenerationUnavailable
from inference_gateway.upstreams.address import AddressRefused, checked_address
from inference_gateway.upstreams.choose import Place, remote
from inference_gateway.upstreams.deadlines import Deadlines
from tests.fakes.openai_server import openai_server
from tests.fakes.tgi_server import tgi_server
from tests.gateways import deltas_of, pipe_of
from tests.unit.gateway.routing.members import REQUEST


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://h/",
        "gopher://h:70/",
        "h:8000",
        "http://",
        "http://user:secret@h:1",
        "http://user@h:1",
        "http://h:1/?key=secret",
        "http://h:1/#x",
        "http://h:99999",
        "http://169.254.169.254",
        "http://169.254.170.2/v2",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://0251.0376.0251.0376",
        "http://169.16689662",
        "http://[::ffff:169.254.169.254]",
        "http://[fe80::1%25eth0]:80",
        "http://[fd00:ec2::254]",
        "http://100.100.100.200",
        "http://0.0.0.0:80",
        "http://224.0.0.1",
        "http://metadata.google.internal.",
        "http://METADATA.google.internal/computeMetadata/v1",
    ],
)
def test_an_address_that_may_not_be_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        checked_address(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://10.0.0.5:8000/v1/", "http://10.0.0.5:8000"),
        ("https://api.example.com/v1", "https://api.example.com"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://gpu-1:8000/served/tutor", "http://gpu-1:8000/served/tutor"),
    ],
)
def test_others_are_taken_without_v1(url: str, base: str) -> None:
    assert checked_address(url) == base


@pytest.mark.parametrize(("api", "module"), [("openai", "exchange"), ("tgi", "transport")])
async def test_a_name_that_leads_to_a_refused_address_gets_nothing_sent(
    api: Literal["openai", "tgi"], module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with openai_server() if api == "openai" else tgi_server() as fake:
        upstream = remote(Place(api=api, address=fake.url, model="m", key="k"), Deadlines())
        name = f"inference_gateway.upstreams.{module}.is_refused"
        monkeypatch.setattr(name, lambda host: host == "127.0.0.1")
        with pytest.raises(GenerationUnavailable):
            await anext(deltas_of(pipe_of(upstream), REQUEST))
        assert fake.received == []
        monkeypatch.setattr(name, lambda _host: False)
        assert [delta async for delta in deltas_of(pipe_of(upstream), REQUEST)]
        await upstream.close()

    assert len(fake.generations()) == 1
