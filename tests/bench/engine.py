"""The embedded generation engine on a small model: eight requests at once against eight in turn, and plain `generate`.

Also alone, in a process of its own: `python -m tests.bench.engine`.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
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
BATCHES = {"cpu": (1, 8), "cuda": (1, 8, 32)}


def measure(_site: Site, console: Console) -> list[Figure]:
    """Return both figures, taken in a process of its own: benches import no torch."""
    command = [sys.executable, "-m", "tests.bench.engine"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    taken = json.loads(done.stdout.splitlines()[-1])
    console.print(f"  {taken['together']:.0f} tokens/s together, {taken['in_turn']:.0f} in turn, on {taken['device']}")
    note = f"{TOKENS} tokens each, {taken['device']}"
    return [
        Figure(
            name="engine/concurrent",
            value=taken["together"],
            unit="tokens/s",
            peer="eight in turn",
            peer_value=taken["in_turn"],
            ratio=taken["ratio"],
            n=TURNS,
            spread=tuple(taken["spread"]),
            note=note,
        ),
        *(
            Figure(
                name=f"engine/generate_{size}",
                value=of["engine"],
                unit="tokens/s",
                peer="transformers generate, same batch",
                peer_value=of["generate"],
                n=TURNS,
                note=note,
            )
            for size, of in taken["batches"].items()
        ),
    ]


def take() -> dict[str, Any]:
    """Measure here, where torch may be imported."""
    from inference_gateway.engines.generation.engine import GenerationEngine
    from inference_gateway.engines.generation.files import locate_generator
    from inference_gateway.engines.generation.model import LanguageModel, best_device
    from tests.models import save_small_llama

    device = best_device().type
    with tempfile.TemporaryDirectory() as folder:
        saved = save_small_llama(Path(folder) / "llama", **SIZES[device])
        model = LanguageModel(locate_generator(str(saved)), "auto" if device == "cpu" else "bfloat16")
    model.stop_tokens = frozenset()  # random weights would end some answers early
    model.enter_thread()  # for the peer: as many threads as the engine has
    engine = GenerationEngine(model)
    try:
        return {"device": device, **asyncio.run(_compare(engine, BATCHES[device]))}
    finally:
        engine.close()


async def _compare(engine: Any, batches: tuple[int, ...]) -> dict[str, Any]:
    await _together(engine, REQUESTS)
    pairs = [(await _together(engine, REQUESTS), await _in_turn(engine)) for _ in range(TURNS)]
    ratios = [together / turn for together, turn in pairs]
    sizes: dict[str, dict[str, float]] = {}
    for size in batches:
        _generate(engine.model, size)
        taken = [(await _together(engine, size), _generate(engine.model, size)) for _ in range(TURNS)]
        sizes[str(size)] = {"engine": _median(one for one, _ in taken), "generate": _median(one for _, one in taken)}
    return {
        "together": _median(together for together, _ in pairs),
        "in_turn": _median(turn for _, turn in pairs),
        "ratio": _median(ratios),
        "spread": [min(ratios), max(ratios)],
        "batches": sizes,
    }


async def _together(engine: Any, requests: int) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(_ask(engine, number) for number in range(requests)))
    return requests * TOKENS / (time.perf_counter() - began)


async def _in_turn(engine: Any) -> float:
    began = time.perf_counter()
    for number in range(REQUESTS):
        await _ask(engine, number)
    return REQUESTS * TOKENS / (time.perf_counter() - began)


async def _ask(engine: Any, number: int) -> None:
    from inference_gateway.contract import ChatMessage, ChatRequest

    message = ChatMessage(role="user", content=f"{PROMPT}{number}")
    async for delta in engine.stream(ChatRequest(messages=(message,), max_tokens=TOKENS)):
        usage = delta.usage
    assert usage is not None
    assert usage.completion_tokens == TOKENS


def _generate(model: Any, rows: int) -> float:
    import torch

    prompt = model.tokenizer(PROMPT)["input_ids"]
    ids = torch.tensor([prompt] * rows, device=model.device)
    options = {"min_new_tokens": TOKENS, "max_new_tokens": TOKENS, "do_sample": False, "pad_token_id": 0}
    began = time.perf_counter()
    output = model._model.generate(ids, attention_mask=torch.ones_like(ids), **options)
    assert output.shape[1] == ids.shape[1] + TOKENS
    return rows * TOKENS / (time.perf_counter() - began)


def _median(values: Any) -> float:
    return float(statistics.median(values))


if __name__ == "__main__":
    print(json.dumps(take()))
