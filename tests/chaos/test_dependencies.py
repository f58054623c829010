"""Each server is taken away from a running api, worker and clock; what people get then is what the runbook promises.

Three ways: connections are refused, are taken and never answered, or the ones there are swallow everything. The object store
loses its folder, or has a file in its place.
"""

import asyncio
import base64
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec
import pytest

from backend.academics import enrolments
from backend.identity.passwords import hash_password
from backend.kit.http.browser import SESSION_COOKIE
from db import query
from db.repositories.identity import TenantRow
from ops.local.ports import free_port
from ops.runtime.settings import Settings
from tests import campus, gateways
from tests.chaos.promises import promises
from tests.chaos.walk import Step, Walker
from tests.fakes.openai_server import openai_server
from tests.integration.faults.link import FAULTS, Link, linked
from tests.processes import process
from tests.servers import Database, RunningValkey
from tests.tutoring import open_school
from tests.vectors import RunningVectors

ANSWERED_WITHIN_SECONDS = 5.0
BACK_WITHIN_SECONDS = 60.0
PASSWORD = "a-Lecturer-5-password"
WAYS = {"objects": ("gone", "a file instead")}
SERVERS = ("postgres", "redis", "vectors", "gateway", "objects")
MENDS_ITSELF = "half-open"


@dataclass(frozen=True)
class Installation:
    """A running installation whose servers stand behind links."""

    walker: Walker
    links: dict[str, Link]
    objects: Path

    @contextmanager
    def without(self, server: str, way: str) -> Iterator[None]:
        """Take a server away for the block."""
        if server == "objects":
            with self._without_objects(way):
                yield
            return
        link = self.links[server]
        link.fail(way)  # type: ignore[arg-type]
        try:
            yield
        finally:
            link.mend()

    @contextmanager
    def _without_objects(self, way: str) -> Iterator[None]:
        away = self.objects.rename(self.objects.with_name("away"))
        if way != "gone":
            self.objects.touch()
        try:
            yield
        finally:
            self.objects.unlink(missing_ok=True)
            away.rename(self.objects)


def behind(url: str, link: Link) -> str:
    """The address of the same server through the link."""
    parts = urlsplit(url)
    account = parts.netloc.rpartition("@")[0]
    return urlunsplit(
        parts._replace(netloc=f"{account}@127.0.0.1:{link.port}" if account else f"127.0.0.1:{link.port}")
    )


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory,
    module_database: Database,
    valkey_server: RunningValkey,
    vector_server: RunningVectors,
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("dependencies")
    with ExitStack() as stack:
        fake = stack.enter_context(openai_server())
        gateway = stack.enter_context(gateways.running_gateway(generation_url=fake.url))
        settings = Settings(
            data_dir=folder,
            port=free_port(),
            signing_key=campus.secret(),
            master_key=campus.secret(),
            service_key=base64.b64encode(gateway.key).decode(),
            database_url=module_database.url,
            redis_url=valkey_server.url(30),
            broker_url=valkey_server.url(31),
            qdrant_url=vector_server.url,
            gateway_url=gateway.url,
            object_store_url=f"file://{folder}/objects",
        )
        walker = asyncio.run(_walker(settings, folder))
        links = {
            server: stack.enter_context(linked(urlsplit(url).port or 0))
            for server, url in {
                "postgres": settings.database_url,
                "redis": settings.redis_url,
                "vectors": settings.qdrant_url,
                "gateway": settings.gateway_url,
            }.items()
        }
        linked_settings = msgspec.structs.replace(
            settings,
            database_url=behind(settings.database_url, links["postgres"]),
            redis_url=behind(settings.redis_url, links["redis"]),
            broker_url=behind(settings.broker_url, links["redis"]),
            qdrant_url=behind(settings.qdrant_url, links["vectors"]),
            gateway_url=behind(settings.gateway_url, links["gateway"]),
        )
        for name in ("worker", "clock", "api"):
            stack.enter_context(process(name, linked_settings, folder))
        yield Installation(walker, links, folder / "objects")


async def _walker(settings: Settings, folder: Path) -> Walker:
    school = await open_school(settings, folder)
    administrator = school.people["administrator"]
    async with campus.opened(settings):
        tenant = await query.fetch_one(
            TenantRow, "SELECT id, slug, name, is_default FROM tenants WHERE id = $1", administrator.tenant_id
        )
        assert tenant is not None
        walker = await campus.person(tenant, "walker", "admin", password_hash=await hash_password(PASSWORD))
        session = await campus.sign_in(walker.user_id)
        askers = {}
        for way in ("JSON", "events", "socket"):
            asker = await campus.person(tenant, f"asker-{way.lower()}", "student")
            await enrolments.enrol(administrator, school.biology, asker.user_id)
            askers[way] = (await campus.sign_in(asker.user_id)).tokens().access_token
        return Walker(
            base_url=f"http://127.0.0.1:{settings.port}",
            course_id=str(school.biology),
            document_id=school.documents["cell.md"],
            job_id=str(await query.fetch_value("SELECT id FROM jobs WHERE kind = 'documents.ingest' LIMIT 1")),
            email=f"walker@{tenant.slug}.example",
            password=PASSWORD,
            refresh_token=session.tokens().refresh_token,
            cookie={SESSION_COOKIE: session.cookie()},
            token=session.tokens().access_token,
            askers=askers,
        )


async def _all_normal(walker: Walker) -> dict[str, float]:
    """Walk until each step gives the answer of good days; return after how many seconds it first did."""
    started = time.monotonic()
    back: dict[str, float] = {}
    names = list(walker.steps())
    while missing := [name for name in names if name not in back]:
        steps = await walker.walk(*missing)
        now = time.monotonic() - started
        back.update((name, now) for name, step in steps.items() if step.outcome == "normal")
        assert now < BACK_WITHIN_SECONDS, f"not back: {[name for name in names if name not in back]}"
        await asyncio.sleep(0.3)
    return back


def _check(server: str, way: str, steps: dict[str, Step]) -> None:
    """Compare a walk with the promises; where the link mends itself for new connections the full answer is right as well."""
    promised = promises()[server]
    assert steps.keys() == promised.keys()
    allowed = {name: {outcome, "normal"} if way == MENDS_ITSELF else {outcome} for name, outcome in promised.items()}
    wrong = {name: step.outcome for name, step in steps.items() if step.outcome not in allowed[name]}
    assert not wrong, f"{server} ({way}) is away: {wrong}"
    slow = {name: round(step.seconds, 1) for name, step in steps.items() if step.seconds > ANSWERED_WITHIN_SECONDS}
    assert not slow, f"{server} ({way}) is away: {slow}"


async def _check_readiness(walker: Walker, server: str) -> None:
    response = await walker.ready()
    report = response.json()
    down = [part["name"] for part in report["components"] if part["status"] == "down"]
    assert down == [server], report
    expected = (503, "unavailable") if server == "postgres" else (200, "degraded")
    assert (response.status_code, report["status"]) == expected


async def _until_read(walker: Walker) -> float:
    """Wait until all that was accepted meanwhile is ready."""
    started = time.monotonic()
    while set((states := await walker.document_states()).values()) - {"ready"}:
        assert time.monotonic() - started < BACK_WITHIN_SECONDS, states
        await asyncio.sleep(0.5)
    return time.monotonic() - started


@pytest.mark.parametrize("server", SERVERS)
async def test_people_get_what_the_runbook_promises(installation: Installation, server: str) -> None:
    walker = installation.walker
    await _all_normal(walker)
    assert (await walker.ready()).json()["status"] == "ready"
    for way in WAYS.get(server, FAULTS):
        with installation.without(server, way):
            first = await walker.walk()
            _check(server, way, first)
            _check(server, way, await walker.walk())
            if way != MENDS_ITSELF:
                await _check_readiness(walker, server)
        back = await _all_normal(walker)
        slowest = max(first.items(), key=lambda item: item[1].seconds)
        print(f"{server} {way}: slowest {slowest[0]} {slowest[1].seconds:.1f} s, back after {max(back.values()):.1f} s")
    print(f"{server}: what was uploaded is read after {await _until_read(walker):.1f} s")


async def test_without_redis_each_process_admits_half_the_rate(installation: Installation) -> None:
    walker = installation.walker
    limits = []
    for way in ("", "refuse", "stall"):
        with installation.without("redis", way) if way else nullcontext():
            limits.append(int((await walker._send("GET", "/me", token=walker.token)).headers["ratelimit-limit"]))
        await _all_normal(walker)
    assert limits == [600, 300, 300]


def test_the_runbook_speaks_of_each_feature_and_server() -> None:
    table = promises()
    assert tuple(table) == SERVERS
    features = set(Walker.steps(Walker("", "", "", "", "", "", "", {}, "", {})))
    assert all(promised.keys() == features for promised in table.values())
