"""Embeddings a second of the engine when many ask at once, against one bare `encode` of the same passages.

Also alone, in a process of its own: `python -m tests.bench.embeddings`.
"""

import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from typing import Any

from rich.console import Console

from tests.bench.report import Figure
from tests.bench.site import Site
from tests.stack import ROOT

PASSAGES = 256
CLIENTS = 16
TURNS = 5
WORDS = (20, 180)
SOURCES = sorted((ROOT / "ops" / "demo" / "content").glob("shell-*.md"))


def measure(_site: Site, console: Console) -> list[Figure]:
    """Return the figure, taken in a process of its own: benches import no torch."""
    command = [sys.executable, "-m", "tests.bench.embeddings"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    taken = json.loads(done.stdout.splitlines()[-1])
    console.print(f"  {taken['engine']:.0f} passages/s by the engine, {taken['bare']:.0f} by bare encode")
    return [
        Figure(
            name="embeddings/saturated",
            value=taken["engine"],
            unit="passages/s",
            peer="SentenceTransformer.encode, one call",
            peer_value=taken["bare"],
            ratio=taken["ratio"],
            n=TURNS,
            spread=tuple(taken["spread"]),
            note=f"{PASSAGES} passages of {WORDS[0]} to {WORDS[1]} words, {CLIENTS} clients at once, {taken['device']}",
        )
    ]


def passages() -> list[str]:
    """Return stretches of the demo's English documents, the same each time."""
    words = " ".join(source.read_text() for source in SOURCES).split()
    draw = random.Random(0)
    lengths = [draw.randint(*WORDS) for _ in range(PASSAGES)]
    starts = [draw.randrange(len(words) - WORDS[1]) for _ in lengths]
    return [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]


def take() -> dict[str, Any]:
    """Measure here, where torch may be imported."""
    import torch

    from inference_gateway.engines.batching import BatchingEmbedder
    from inference_gateway.engines.device import available_cores
    from inference_gateway.engines.model_files import locate_model
    from inference_gateway.engines.sentence_encoder import SentenceEncoder

    torch.set_num_threads(available_cores())
    encoder = SentenceEncoder(locate_model(""))
    engine = BatchingEmbedder(encoder)
    texts = passages()
    try:
        pairs = asyncio.run(_turns(engine, encoder._model, texts))
    finally:
        engine.close()
    ratios = [one / other for one, other in pairs]
    return {
        "engine": statistics.median(one for one, _ in pairs),
        "bare": statistics.median(other for _, other in pairs),
        "ratio": statistics.median(ratios),
        "spread": [min(ratios), max(ratios)],
        "device": str(encoder._model.device),
    }


async def _turns(engine: Any, model: Any, texts: list[str]) -> list[tuple[float, float]]:
    await _by_engine(engine, texts)
    _bare(model, texts)
    return [(await _by_engine(engine, texts), _bare(model, texts)) for _ in range(TURNS)]


async def _by_engine(engine: Any, texts: list[str]) -> float:
    began = time.perf_counter()
    answers = await asyncio.gather(*(engine.embed(texts[client::CLIENTS], "passage") for client in range(CLIENTS)))
    assert sum(len(answer.rows) for answer in answers) == len(texts)
    return len(texts) / (time.perf_counter() - began)


def _bare(model: Any, texts: list[str]) -> float:
    began = time.perf_counter()
    assert len(model.encode(texts, show_progress_bar=False)) == len(texts)
    return len(texts) / (time.perf_counter() - began)


if __name__ == "__main__":
    print(json.dumps(take()))
