"""The gateway against LiteLLM's proxy and Portkey's gateway: one process each, the same upstream, the same requests.

The product is as in production: it checks the token of each caller, keeps four quotas for each in Redis, queues fairly, has
breakers and writes a record of each request to PostgreSQL. LiteLLM checks one master key and has no database; Portkey checks
nothing. A peer that does not serve is left out, and the figure says so. They take turns at 8 connections: whole answers and
streamed ones as fast as they come, where what a request waits for is the others, and whole answers that the model thinks about
for 50 ms, where it is the gateway alone; then each has 500 streams side by side. Also alone: `python -m tests.bench.gateway`.
"""

import json
from collections.abc import Mapping, Sequence

import msgspec
from rich.console import Console

from tests.bench.gateways import MODEL, Gateway, running_gateways
from tests.bench.jobs_site import job_site
from tests.bench.parallel_streams import STREAMS, TOKENS, Watched, watch
from tests.bench.report import Figure
from tests.bench.site import Site
from tests.bench.statistics import median, percentile, spread
from tests.bench.wrk import Load, run_requests

CONNECTIONS = 8
SECONDS = 5
WARM_UP_SECONDS = 2
ROUNDS = 3
ANSWER_TOKENS = 16
PEERS = ("litellm", "portkey")
WHOLE, STREAMED, THOUGHTFUL = "whole", "streamed", "thoughtful"
PROMPT = "Answer from the passages alone. Gradient descent follows the negative gradient of the loss. " * 12
PER_TOKEN = 1e6 / (STREAMS * TOKENS)


class Run(msgspec.Struct, frozen=True):
    """One run of wrk, and the processor time (microseconds) that the gateway used for a request."""

    load: Load
    cpu_us: float


Runs = Mapping[str, Sequence[Run]]


def measure(_site: Site | None, console: Console) -> list[Figure]:
    """Return the figures of whole answers, of streamed ones and of many streams at once."""
    with job_site() as site, running_gateways(site, console) as gateways:
        whole = _in_turns(gateways, WHOLE, console)
        streamed = _in_turns(gateways, STREAMED, console)
        thoughtful = _in_turns(gateways, THOUGHTFUL, console)
        watched = {gateway.name: _watch(gateway, console) for gateway in gateways}
    return [
        *_rates("gateway", whole),
        *_added("gateway_added", whole),
        *_rates("gateway_streamed", streamed),
        *_added("gateway_streamed_added", streamed),
        *_added("gateway_thoughtful_added", thoughtful),
        *_side_by_side(watched),
    ]


def _in_turns(gateways: Sequence[Gateway], answers: str, console: Console) -> Runs:
    runs: dict[str, list[Run]] = {gateway.name: [] for gateway in gateways}
    serving = [gateway for gateway in gateways if _serves(gateway, answers, console)]
    for _ in range(ROUNDS):
        for gateway in serving:
            runs[gateway.name].append(_run(gateway, answers, SECONDS))
        rates = {name: seen[-1].load.per_second for name, seen in runs.items() if seen}
        console.print("  " + ", ".join(f"{name} {rate:.0f}/s" for name, rate in rates.items()))
    return runs


def _serves(gateway: Gateway, answers: str, console: Console) -> bool:
    """Warm up; the upstream and the product must serve."""
    try:
        _run(gateway, answers, WARM_UP_SECONDS)
    except RuntimeError as error:
        if gateway.name not in PEERS:
            raise
        console.print(f"  {gateway.name} does not serve {answers} answers: {error}")
        return False
    return True


def _run(gateway: Gateway, answers: str, seconds: int) -> Run:
    used = gateway.cpu_seconds
    load = run_requests(gateway.url, _requests(gateway, answers), CONNECTIONS, seconds)
    return Run(load, (gateway.cpu_seconds - used) / load.requests * 1e6)


def _requests(gateway: Gateway, answers: str) -> list[str]:
    question = "What does it follow?" + (" Thoughtfully." if answers == THOUGHTFUL else "")
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": question}]
    wanted = {"model": MODEL, "messages": messages, "max_tokens": ANSWER_TOKENS, "temperature": 0.7}
    body = json.dumps(wanted | ({"stream": True} if answers == STREAMED else {}))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {gateway.url.removeprefix('http://')}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return [
        head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n" + body
        for headers in gateway.headers()
    ]


def _watch(gateway: Gateway, console: Console) -> Watched:
    seen = watch(gateway)
    late = f"{percentile(seen.delays_ms, 99):.0f} ms late" if seen.delays_ms else "none came"
    broken = "".join(f", {count} broken off by {why}" for why, count in seen.broken_by.items())
    console.print(f"  {STREAMS} streams through {gateway.name}: {seen.whole} whole, p99 {late}{broken}")
    return seen


def _rates(name: str, runs: Runs) -> list[Figure]:
    rates = {who: [run.load.per_second for run in seen] for who, seen in runs.items()}
    costs = ", ".join(f"{who} {median([run.cpu_us for run in seen]):.0f}" for who, seen in runs.items() if seen)
    figures = []
    for peer in PEERS:
        if not rates[peer]:
            figures.append(_missing(f"{name}/{peer}", rates["lyceum"], peer))
            continue
        ratios = [ours / theirs for ours, theirs in zip(rates["lyceum"], rates[peer], strict=True)]
        figures.append(
            Figure(
                name=f"{name}/{peer}",
                value=median(rates["lyceum"]),
                unit="requests/s",
                peer=peer,
                peer_value=median(rates[peer]),
                ratio=median(ratios),
                n=sum(run.load.requests for run in runs["lyceum"]),
                spread=spread(ratios),
                note=f"{CONNECTIONS} connections, {ANSWER_TOKENS} tokens; processor µs a request: {costs}",
            )
        )
    return figures


def _missing(name: str, rates: Sequence[float], peer: str) -> Figure:
    note = f"{peer} answers such requests with errors"
    return Figure(name=name, value=median(rates), unit="requests/s", peer=peer, n=len(rates), note=note)


def _added(name: str, runs: Runs) -> list[Figure]:
    return [_added_at(f"{name}_p{rank}", rank, runs) for rank in (50, 99)]


def _added_at(name: str, rank: int, runs: Runs) -> Figure:
    def taken(run: Run) -> float:
        return run.load.p50_ms if rank == 50 else run.load.p99_ms

    added = {
        who: [taken(one) - taken(bare) for one, bare in zip(seen, runs["upstream"], strict=True)]
        for who, seen in runs.items()
        if seen
    }
    others = ", ".join(f"{peer} {median(added[peer]):.1f}" for peer in PEERS if peer in added)
    return Figure(
        name=name,
        value=median(added["lyceum"]),
        unit="ms",
        n=sum(run.load.requests for run in runs["lyceum"]),
        spread=spread(added["lyceum"]),
        note=f"beyond the bare upstream's, {CONNECTIONS} connections; {others}",
    )


def _side_by_side(watched: Mapping[str, Watched]) -> list[Figure]:
    ours = watched["lyceum"]
    whole = ", ".join(f"{peer} {watched[peer].whole}" for peer in PEERS)
    late = ", ".join(f"{who} {_late(seen)}" for who, seen in watched.items() if who != "lyceum")
    figures = [
        Figure(name="gateway_streams", value=ours.whole, unit="whole of 500", n=STREAMS, note=whole),
        Figure(name="gateway_streams_delay_p99", value=percentile(ours.delays_ms, 99), unit="ms", n=STREAMS, note=late),
    ]
    for peer in [one for one in PEERS if watched[one].whole]:
        common = {"peer": peer, "n": STREAMS, "note": f"{STREAMS} streams of {TOKENS} tokens side by side"}
        theirs = watched[peer]
        costs = {"value": ours.cpu_seconds * PER_TOKEN, "peer_value": theirs.cpu_seconds * PER_TOKEN}
        figures.append(Figure(name=f"gateway_token/{peer}", unit="processor µs", **costs, **common))  # type: ignore[arg-type]
        memory = {"value": ours.rss_mb, "peer_value": theirs.rss_mb}
        figures.append(Figure(name=f"gateway_memory/{peer}", unit="MB", **memory, **common))  # type: ignore[arg-type]
    return figures


def _late(seen: Watched) -> str:
    return f"{percentile(seen.delays_ms, 99):.0f}" if seen.delays_ms else "none"


if __name__ == "__main__":
    from tests.bench.report import judge, read_goals, show

    console = Console(width=200)
    figures = measure(None, console)
    judge(figures, read_goals())
    show(figures, console)
