"""The embedded generation engine on a small model: eight requests at once against eight in turn, and plain `generate`
at the same batch, with no, one and eight adapters in the batch; how long an adapter takes to load, and what it holds.

Also alone, in a process of its own: `python -m tests.bench.engine`.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.report import Figure
from tests.bench.site import Site
from tests.stack import ROOT

REQUESTS = 8
TOKENS = 64
TURNS = 5
PROMPT = "Gradient descent follows the negative gradient of the loss until it no longer falls. " * 2
SIZES = {"cpu": {"hidden": 256, "layers": 4}, "cuda": {"hidden": 2048, "layers": 22}}
BATCHES = (1, 8, 32)
ADAPTERS = (0, 1, 8)
NAMES = (
    "engine/concurrent",
    "engine/concurrent_8_adapters",
    *(f"engine/generate_{size}" + (f"_{count}_adapters" if count else "") for size in BATCHES for count in ADAPTERS),
    "engine/adapter_load",
    "engine/adapter_memory",
)


def measure(_site: Site, console: Console) -> list[Figure]:
    """Return the figures, taken in a process of its own: benches import no torch."""
    command = [sys.executable, "-m", "tests.bench.engine"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    taken = json.loads(done.stdout.splitlines()[-1])
    base = taken["concurrent"]["0"]
    console.print(f"  {base['engine']:.0f} tokens/s together, {base['peer']:.0f} in turn, on {taken['device']}")
    note = f"{TOKENS} tokens each, {taken['device']}"
    return [
        _against("engine/concurrent", base, "eight in turn", note),
        _against(
            "engine/concurrent_8_adapters",
            taken["concurrent"]["8"],
            "eight in turn",
            f"{note}, each with its own adapter",
        ),
        *(
            _against(name, of, "transformers generate, same batch, no adapter", note)
            for name, of in taken["batches"].items()
        ),
        *_adapter_figures(taken["adapter"], taken["device"]),
    ]


def _against(name: str, of: dict[str, Any], peer: str, note: str) -> Figure:
    return Figure(
        name=name,
        value=of["engine"],
        unit="tokens/s",
        peer=peer,
        peer_value=of["peer"],
        ratio=of["ratio"],
        n=TURNS,
        spread=tuple(of["spread"]),
        note=note,
    )


def _adapter_figures(of: dict[str, Any], device: str) -> list[Figure]:
    what = f"rank {of['rank']} on {', '.join(of['targets'])}, {of['file_bytes'] / 1024:.0f} KiB, {device}"
    return [
        Figure(
            name="engine/adapter_load",
            value=of["load_seconds"] * 1000,
            unit="ms",
            n=of["count"],
            note=f"{what}: verified weights to a probe answered; {of['first_answer_seconds'] * 1000:.0f} ms from a "
            "request for one that is not loaded to its answer of one token",
        ),
        Figure(
            name="engine/adapter_memory",
            value=of["device_bytes"] / 1024,
            unit="KiB each",
            n=of["count"],
            note=f"{what}: the matrices on the device",
        ),
    ]


def take() -> dict[str, Any]:
    """Measure here, where torch may be imported."""
    from inference_gateway.engines.device import best_device
    from inference_gateway.engines.generation.engine import GenerationEngine
    from inference_gateway.engines.generation.files import locate_generator
    from inference_gateway.engines.generation.model import LanguageModel
    from tests.lora import Workshop
    from tests.models import save_small_llama

    device = best_device().type
    with tempfile.TemporaryDirectory() as folder:
        saved = save_small_llama(Path(folder) / "llama", **SIZES[device])
        model = LanguageModel(locate_generator(str(saved)), "auto" if device == "cpu" else "bfloat16")
    model.stop_tokens = frozenset()  # random weights would end some answers early
    model.enter_thread()  # for the peer: as many threads as the engine has
    workshop = Workshop(model, patience_seconds=120.0)
    adapters = asyncio.run(_made(workshop))
    engine = GenerationEngine(model, supply=workshop.supply)
    try:
        return {"device": device, **asyncio.run(_take(engine, workshop, adapters))}
    finally:
        engine.close()


async def _made(workshop: Any) -> list[Any]:
    return [await workshop.make(seed) for seed in range(max(ADAPTERS))]


async def _take(engine: Any, workshop: Any, adapters: list[Any]) -> dict[str, Any]:
    plain = await _compare(engine, [])
    batches = {f"engine/generate_{size}": await _batch(engine, size, []) for size in BATCHES}
    adapter = await _loads(engine, workshop, adapters)
    for count in ADAPTERS[1:]:
        for size in BATCHES:
            batches[f"engine/generate_{size}_{count}_adapters"] = await _batch(engine, size, adapters[:count])
    return {
        "concurrent": {"0": plain, "8": await _compare(engine, adapters)},
        "batches": batches,
        "adapter": adapter,
    }


async def _loads(engine: Any, workshop: Any, adapters: list[Any]) -> dict[str, Any]:
    """Ask for one after the other that is not loaded."""
    from ops.runtime.telemetry import REGISTRY
    from tests.lora import RANK, TARGETS

    waits = []
    for adapter in adapters:
        began = time.perf_counter()
        await _ask(engine, 0, adapter, tokens=1)
        waits.append(time.perf_counter() - began)
    seconds = REGISTRY.get_sample_value("lyceum_adapter_load_seconds_sum")
    assert seconds is not None
    assert len(engine.model.adapters.sizes) == len(adapters)
    return {
        "count": len(adapters),
        "rank": RANK,
        "targets": TARGETS,
        "file_bytes": len(await workshop.weights(adapters[0])),
        "load_seconds": seconds / len(adapters),
        "first_answer_seconds": _median(waits),
        "device_bytes": _median(engine.model.adapters.sizes.values()),
    }


async def _compare(engine: Any, adapters: Sequence[Any]) -> dict[str, Any]:
    await _together(engine, REQUESTS, adapters)
    return _summary(
        [(await _together(engine, REQUESTS, adapters), await _in_turn(engine, adapters)) for _ in range(TURNS)]
    )


async def _batch(engine: Any, size: int, adapters: Sequence[Any]) -> dict[str, Any]:
    """The peer computes while the engine has nothing to do."""
    await _together(engine, size, adapters)
    _generate(engine.model, size)
    return _summary([(await _together(engine, size, adapters), _generate(engine.model, size)) for _ in range(TURNS)])


def _summary(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    ratios = [one / other for one, other in pairs]
    return {
        "engine": _median(one for one, _ in pairs),
        "peer": _median(other for _, other in pairs),
        "ratio": _median(ratios),
        "spread": [min(ratios), max(ratios)],
    }


async def _together(engine: Any, requests: int, adapters: Sequence[Any]) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(_ask(engine, number, _of(adapters, number)) for number in range(requests)))
    return requests * TOKENS / (time.perf_counter() - began)


async def _in_turn(engine: Any, adapters: Sequence[Any]) -> float:
    began = time.perf_counter()
    for number in range(REQUESTS):
        await _ask(engine, number, _of(adapters, number))
    return REQUESTS * TOKENS / (time.perf_counter() - began)


def _of(adapters: Sequence[Any], number: int) -> Any:
    return adapters[number % len(adapters)] if adapters else None


def _messages(number: int) -> tuple[Any, ...]:
    from inference_gateway.contract import ChatMessage

    return (ChatMessage(role="user", content=f"{PROMPT}{number}"),)


async def _ask(engine: Any, number: int, adapter: Any, tokens: int = TOKENS) -> None:
    from inference_gateway.contract import ChatRequest

    named = {} if adapter is None else {"adapter": adapter.id, "user_id": adapter.user_id}
    request = ChatRequest(messages=_messages(number), max_tokens=tokens, **named)
    async for delta in engine.stream(request, adapter):
        assert not delta.degraded
        usage = delta.usage
    assert usage is not None
    assert usage.completion_tokens == tokens


def _generate(model: Any, rows: int) -> float:
    """The base model alone, on the tokens of the same prompts: `generate` goes past the adapters, none of which is ever
    active by itself.
    """
    import torch

    from inference_gateway.engines.generation.prompts import Prompter

    prompter = Prompter(model.tokenizer)
    began = time.perf_counter()
    prompts = [prompter.tokens(_messages(number)) for number in range(rows)]
    longest = max(map(len, prompts))
    padding = torch.tensor([[longest - len(prompt)] for prompt in prompts])
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = (torch.arange(longest) >= padding).long().to(model.device)
    options = {"min_new_tokens": TOKENS, "max_new_tokens": TOKENS, "do_sample": False, "pad_token_id": 0}
    output = model._model.generate(ids, attention_mask=mask, **options)
    assert output.shape[1] == ids.shape[1] + TOKENS
    return rows * TOKENS / (time.perf_counter() - began)


def _median(values: Any) -> float:
    return float(statistics.median(values))


if __name__ == "__main__":
    print(json.dumps(take()))
