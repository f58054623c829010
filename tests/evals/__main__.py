"""`python -m tests.evals [--data FOLDER]`: measures finding and answering, prints a table, writes build/evals.json."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from rich.console import Console

from inference_gateway.client import GatewayClient
from ops.runtime.crypto import ServiceTokens, decode_key
from rag.store import open_vector_store
from tests.bench.report import Figure, judge, read_goals, show, write
from tests.evals import answering, finding, guarding
from tests.evals.corpus import Corpus
from tests.evals.questions import LANGUAGES, SAMPLE, load
from tests.processes import Gateway, running_gateway
from tests.vectors import running_vectors

OUTPUT = Path(__file__).parents[2] / "build" / "evals.json"
GOALS = Path(__file__).parent / "goals.toml"


def main() -> None:
    """Measure on the sample that ships, or on the whole collection in a folder."""
    parser = argparse.ArgumentParser(prog="python -m tests.evals", description=main.__doc__)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="a folder with xquad.en.json and xquad.ar.json")
    folder: Path | None = parser.parse_args().data
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_vectors(Path(scratch) / "vectors") as vectors,
        running_gateway(Path(scratch)) as gateway,
    ):
        figures = asyncio.run(_measure(folder or SAMPLE, vectors.url, gateway))
    has_guardrails = folder is not None and (folder / "guardrails").exists()
    figures += guarding.measure(folder if has_guardrails else None)
    judge(figures, read_goals(GOALS))
    show(figures, Console(width=180))
    write(figures, OUTPUT)


async def _measure(folder: Path, vectors_url: str, gateway: Gateway) -> list[Figure]:
    tokens = ServiceTokens(decode_key(gateway.service_key))
    store = open_vector_store(vectors_url)
    figures: list[Figure] = []
    async with GatewayClient(gateway.url, tokens) as client:
        info = await client.model_info()
        await store.ensure_collection(info.embedder, info.dimensions)
        corpora = [Corpus(load(folder, language), store, client) for language in LANGUAGES]
        # All languages share the index, as in an installation.
        dense = [await corpus.index() for corpus in corpora]
        for corpus, dense_passages in zip(corpora, dense, strict=True):
            figures += await finding.measure(corpus, dense_passages)
            figures += await answering.measure(corpus)
    await store.close()
    return [*figures, *finding.gap(figures)]


if __name__ == "__main__":
    main()
