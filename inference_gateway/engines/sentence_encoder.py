"""sentence-transformers as an encoder: its own modules, tokenised ahead, padded per small batch.

`SentenceTransformer.encode` sorts by characters and tokenises inside the loop; with exact token counts and batches
of a few hundred tokens the same modules give the same vectors faster, and a question never waits long.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer
from torch import Tensor

from inference_gateway.contract import Lane, ModelInfo
from inference_gateway.engines.batching import PROBE_TEXT, Prepared
from inference_gateway.engines.device import available_cores, best_device
from inference_gateway.engines.halving import in_halves
from inference_gateway.engines.lanes import LaneLimits
from inference_gateway.engines.languages import model_languages, model_prompts
from inference_gateway.engines.model_files import ModelFiles
from inference_gateway.engines.token_rows import Padding, split_rows

MAX_WORKERS = 4
CPU_LIMITS = LaneLimits()
GPU_LIMITS = LaneLimits(batch_texts=128, batch_tokens=16_384)
CHARACTERS_PER_TOKEN = 4


class SentenceEncoder:
    """One sentence-transformers model in fp32, on a GPU where torch finds one, else on all cores."""

    def __init__(self, files: ModelFiles) -> None:
        device = best_device()
        on_gpu = device.type != "cpu"
        self.workers = 1 if on_gpu else min(available_cores(), MAX_WORKERS)
        self._model = _load(files.folder, device.type)
        self._prompts = model_prompts(files.name, self._model.prompts)
        self._padding = Padding(getattr(self._model, "tokenizer", None))
        self.limits = GPU_LIMITS if on_gpu else CPU_LIMITS
        self.info = ModelInfo(
            embedder=files.name,
            revision=files.revision,
            dimensions=int(self._model.get_embedding_dimension() or 0),
            languages=model_languages(files.name, files.folder),
            max_tokens=_token_limit(self._model.max_seq_length),
        )

    def enter_worker(self) -> None:
        """Share the cores out among the workers; the setting counts for the thread that makes it."""
        torch.set_num_threads(max(1, available_cores() // self.workers))

    def prepare(self, texts: Sequence[str], lane: Lane) -> list[Prepared]:
        """Tokenise with the lane's prompt and cut at `max_tokens`."""
        prompt = self._prompts[lane]
        features = self._model.preprocess(list(texts), prompt=prompt or None)
        rows = split_rows(features, len(texts))
        if rows is not None:
            return [Prepared(tokens=len(row["input_ids"]), features=row) for row in rows]
        return [Prepared(tokens=len(text) // CHARACTERS_PER_TOKEN + 1, features=prompt + text) for text in texts]

    def lengths(self, texts: Sequence[str], lane: Lane) -> list[int]:
        """Return the tokens of each text, the lane's prompt and the special ones included, if nothing were cut."""
        tokenizer = getattr(self._model, "tokenizer", None)
        if not callable(tokenizer):
            return [item.tokens for item in self.prepare(texts, lane)]
        prompted = [self._prompts[lane] + text for text in texts]
        return [len(ids) for ids in tokenizer(prompted, truncation=False, verbose=False)["input_ids"]]

    def encode(self, batch: Sequence[Prepared]) -> list[bytes]:
        """Compute sentence embeddings exactly as `SentenceTransformer.encode` would, one row of bytes a text."""
        return in_halves(self._encode, batch, self._model.device)

    @torch.inference_mode()
    def _encode(self, batch: Sequence[Prepared]) -> list[bytes]:
        if isinstance(batch[0].features, str):
            features = self._model.preprocess([item.features for item in batch])
        else:
            features = self._padding.join([item.features for item in batch])
        device = self._model.device
        moved = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in features.items()}
        vectors = self._model(moved)["sentence_embedding"].float().cpu().numpy()
        if not np.isfinite(vectors).all():
            raise ArithmeticError("The model gave a vector that is not finite.")
        return [row.astype("<f4", copy=False).tobytes() for row in vectors]

    def warm_up(self) -> None:
        """Compute once with each kind of batch, so that the first question does not pay for it."""
        for texts in ([PROBE_TEXT], [PROBE_TEXT * 8] * self.limits.batch_texts):
            self.encode(self.prepare(texts, "passage"))


def silence_bars() -> None:
    """Draw no progress bars: on stderr they would stand between the lines of the log."""
    disable_progress_bar: Callable[[], None] = transformers.utils.logging.disable_progress_bar
    disable_progress_bar()


def _load(folder: Path, device: str) -> SentenceTransformer:
    silence_bars()
    model = SentenceTransformer(str(folder), device=device, local_files_only=True, trust_remote_code=False)
    return model.float().eval()


def _token_limit(told: float | None) -> int:
    """Return 0 for a model without a limit: static embeddings say infinity."""
    return int(told) if told and math.isfinite(told) else 0
