"""`GET /api/v1/courses?limit=20`, signed in: the product with everything on, and the same work done by others.

Product and peers take turns, round by round, so that a machine that is slow for a while is slow for all of them.
"""

from contextlib import ExitStack

import httpx
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rich.console import Console

from backend.identity.runtime import TOKEN_ISSUER
from ops.runtime.crypto import decode_key
from ops.runtime.tokens import AUDIENCE
from tests.bench.peer import serving
from tests.bench.report import Figure
from tests.bench.site import Site
from tests.bench.statistics import median, spread
from tests.bench.wrk import Load, run_wrk

PATH = "/api/v1/courses?limit=20"
PEERS = ("fastapi", "asgi")
ROUNDS = 5
SECONDS = 4
WARM_UP_SECONDS = 2


def measure(site: Site, console: Console) -> list[Figure]:
    """Return the ratios to both peers and the product's own latency."""
    tokens = [person.token for person in site.campus.learners]
    with ExitStack() as stack:
        urls = {"lyceum": site.url}
        for name in PEERS:
            urls[name] = stack.enter_context(serving(name, _peer_settings(site), console))
        _check_same_answer(urls, tokens[0])
        for url in urls.values():
            run_wrk(url + PATH, tokens, WARM_UP_SECONDS)
        loads: dict[str, list[Load]] = {name: [] for name in urls}
        cpu_before = _cpu_seconds(site.api)
        for _ in range(ROUNDS):
            for name, url in urls.items():
                loads[name].append(run_wrk(url + PATH, tokens, SECONDS))
        requests = sum(load.requests for load in loads["lyceum"])
        cpu_us = (_cpu_seconds(site.api) - cpu_before) / requests * 1e6
    return [_figure(name, loads, f"{cpu_us:.0f} µs of the api's processor a request") for name in PEERS]


def _figure(peer: str, loads: dict[str, list[Load]], note: str) -> Figure:
    ours, theirs = loads["lyceum"], loads[peer]
    ratios = [mine.per_second / other.per_second for mine, other in zip(ours, theirs, strict=True)]
    p50, p99 = median([load.p50_ms for load in ours]), median([load.p99_ms for load in ours])
    return Figure(
        name=f"courses_list/{peer}",
        value=median([load.per_second for load in ours]),
        unit="requests/s",
        peer=peer,
        peer_value=median([load.per_second for load in theirs]),
        ratio=median(ratios),
        n=sum(load.requests for load in ours),
        spread=spread(ratios),
        note=f"median of {ROUNDS} rounds' ratios; p50 {p50:.1f} ms, p99 {p99:.1f} ms at 16 connections; {note}",
    )


def _peer_settings(site: Site) -> dict[str, str]:
    settings = site.settings
    public = Ed25519PrivateKey.from_private_bytes(decode_key(settings.signing_key)).public_key()
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "BENCH_TENANT": site.campus.tenant_id,
        "BENCH_TOKEN_KEY": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "BENCH_TOKEN_ISSUER": TOKEN_ISSUER,
        "BENCH_TOKEN_AUDIENCE": AUDIENCE,
    }


def _check_same_answer(urls: dict[str, str], token: str) -> None:
    """Fail unless all give the same 20 rows with the same fields."""
    seen = {}
    for name, url in urls.items():
        answer = httpx.get(url + PATH, headers={"Authorization": f"Bearer {token}"}).raise_for_status().json()
        assert set(answer) == {"items", "next_cursor"}, (name, set(answer))
        assert len(answer["items"]) == 20, (name, len(answer["items"]))
        rows = [{**row, "created_at": None, "updated_at": None} for row in answer["items"]]
        assert all(row["created_at"] and row["updated_at"] for row in answer["items"]), name
        seen[name] = rows
    assert all(rows == seen["lyceum"] for rows in seen.values()), "the peers' rows differ from the product's"


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
