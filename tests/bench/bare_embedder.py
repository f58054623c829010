"""`python -m tests.bench.bare_embedder`: passages as a JSON list on stdin, seconds of one plain `encode` on stdout."""

import json
import os
import sys
import time

import torch
from sentence_transformers import SentenceTransformer

from inference_gateway.engines.model_files import locate_model

WARM_UP_PASSAGES = 16


def main() -> None:
    """Load the product's model, warm it up, and embed all passages in one call with the library's defaults."""
    passages = json.load(sys.stdin)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = SentenceTransformer(str(locate_model("").folder), device="cpu", local_files_only=True)
    model.encode(passages[:WARM_UP_PASSAGES], show_progress_bar=False)
    started = time.perf_counter()
    vectors = model.encode(passages, show_progress_bar=False)
    took = time.perf_counter() - started
    json.dump({"seconds": took, "vectors": len(vectors), "threads": torch.get_num_threads()}, sys.stdout)


if __name__ == "__main__":
    main()
