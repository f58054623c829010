"""One person's adapter at each kind of upstream, in a gateway without a database: loaded, given at the start, or not there."""

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from inference_gateway.adapters.faults import WeightsCorrupt
from inference_gateway.contract import GENERATE_PURPOSE
from ops.runtime.settings import Settings
from ops.runtime.tokens import ServiceClaims, ServiceTokens
from tests.adapter_house import House, open_house
from tests.canaries import QUESTIONS, Canary, raise_canaries
from tests.fakes.openai_server import openai_server
from tests.fakes.server import FakeServer
from tests.fakes.tgi_server import tgi_server
from tests.models import save_small_llama

TENANT = uuid4()


@dataclass(frozen=True)
class Scene:
    house: House
    tgi: FakeServer
    plain: FakeServer

    @property
    def canary(self) -> Canary:
        return self.house.canaries[0]

    def ask(self, url: str, model: str) -> httpx.Response:
        claims = ServiceClaims(tenant_id=TENANT, user_id=self.canary.owner_id, purpose=GENERATE_PURPOSE)
        return httpx.post(
            f"{url}/v1/chat/completions",
            json={
                "model": model,
                "messages": [{"role": "user", "content": QUESTIONS[0]}],
                "adapter": self.canary.id,
                "max_tokens": 20,
                "temperature": 0,
            },
            headers={"Authorization": f"Bearer {ServiceTokens(self.house.key).issue(claims)}"},
            timeout=30,
        )


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[FakeServer, FakeServer]]:
    with tgi_server() as tgi, openai_server() as plain:
        yield tgi, plain


@pytest.fixture
async def scene(servers: tuple[FakeServer, FakeServer], tmp_path: Path) -> Scene:
    tgi, plain = servers
    folder, routes = save_small_llama(tmp_path / "llama"), tmp_path / "routes.toml"
    settings = Settings(
        service_key=base64.b64encode(os.urandom(32)).decode(),
        object_store_url=(tmp_path / "objects").as_uri(),
        routes=routes,
    )
    canaries = await raise_canaries(folder, House(settings, []).library, [TENANT], count=1)
    routes.write_text(
        f"""
        [upstreams.own]
        api = "embedded"
        model = "{folder}"
        [upstreams.tgi]
        api = "tgi"
        address = "{tgi.url}"
        adapters = ["{canaries[0].id}"]
        [upstreams.plain]
        address = "{plain.url}"
        [aliases]
        own = ["own"]
        given = ["tgi"]
        plain = ["plain"]
        """
    )
    return Scene(House(settings, canaries), tgi, plain)


async def test_each_upstream_does_what_it_can(scene: Scene) -> None:
    with open_house(scene.house) as url:
        own, given, plain = (scene.ask(url, alias) for alias in ("own", "given", "plain"))

    assert own.json()["choices"][0]["message"]["content"] == scene.canary.word
    assert (own.headers["x-lyceum-adapter"], own.headers["x-lyceum-degraded"]) == (scene.canary.id, "false")

    assert (given.headers["x-lyceum-adapter"], given.headers["x-lyceum-degraded"]) == (scene.canary.id, "false")
    asked = scene.tgi.generations()[-1].body["parameters"]
    assert asked["adapter_id"] == scene.canary.id.replace("@", ".")

    assert plain.status_code == 200
    assert "x-lyceum-adapter" not in plain.headers
    assert plain.headers["x-lyceum-degraded"] == "true"
    assert scene.canary.id not in str(scene.plain.generations()[-1].body)


async def test_what_is_in_quarantine_is_used_nowhere(scene: Scene) -> None:
    with open_house(scene.house) as url:
        assert scene.ask(url, "own").headers["x-lyceum-degraded"] == "false"
        await scene.house.library.quarantine(scene.canary.manifest.name, TENANT, WeightsCorrupt())
        own, given = scene.ask(url, "own"), scene.ask(url, "given")

    assert (own.status_code, given.status_code) == (200, 200)
    assert {reply.headers["x-lyceum-degraded"] for reply in (own, given)} == {"true"}
    assert scene.canary.word not in own.text
    assert "adapter_id" not in scene.tgi.generations()[-1].body["parameters"]
