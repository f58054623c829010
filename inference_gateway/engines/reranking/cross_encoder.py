"""A cross-encoder of sentence-transformers: a question and a text read together, one score a pair.

The scores are those of `CrossEncoder.predict` without its activation; tokenised ahead and padded per small batch, as the
embeddings are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from torch import Tensor

from inference_gateway.contract import Lane
from inference_gateway.engines.batching import Prepared
from inference_gateway.engines.device import available_cores, best_device
from inference_gateway.engines.halving import in_halves
from inference_gateway.engines.model_files import ModelFiles, ModelFilesError
from inference_gateway.engines.reranking.engine import PROBE, Pair
from inference_gateway.engines.sentence_encoder import (
    CHARACTERS_PER_TOKEN,
    CPU_LIMITS,
    GPU_LIMITS,
    MAX_WORKERS,
    silence_bars,
)
from inference_gateway.engines.token_rows import Padding, split_rows


class PairEncoder:
    """One cross-encoder in fp32, on a GPU where torch finds one, else on all cores."""

    def __init__(self, files: ModelFiles) -> None:
        device = best_device()
        on_gpu = device.type != "cpu"
        self.workers = 1 if on_gpu else min(available_cores(), MAX_WORKERS)
        self.limits = GPU_LIMITS if on_gpu else CPU_LIMITS
        self._model = _load(files, device.type)
        self._prompt = self._model.prompts.get(self._model.default_prompt_name or "") or None
        self._padding = Padding(self._model.tokenizer)
        self.max_tokens = int(self._model.max_seq_length or 0)

    def enter_worker(self) -> None:
        """Share the cores out among the workers; the setting counts for the thread that makes it."""
        torch.set_num_threads(max(1, available_cores() // self.workers))

    def prepare(self, pairs: Sequence[Pair], _lane: Lane) -> list[Prepared]:
        """Tokenise, the longer of the two cut first where both are too long together."""
        rows = split_rows(self._model.preprocess(list(pairs), prompt=self._prompt), len(pairs))
        if rows is not None:
            return [Prepared(tokens=len(row["input_ids"]), features=row) for row in rows]
        return [Prepared(tokens=sum(map(len, pair)) // CHARACTERS_PER_TOKEN + 1, features=pair) for pair in pairs]

    def lengths(self, pairs: Sequence[Pair], _lane: Lane) -> list[int]:
        """Return the tokens of each pair, the special ones included, if nothing were cut."""
        encoded = self._model.tokenizer(list(pairs), truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def encode(self, batch: Sequence[Prepared]) -> list[bytes]:
        """Compute one score a pair, as four bytes."""
        return in_halves(self._encode, batch, self._model.device)

    @torch.inference_mode()
    def _encode(self, batch: Sequence[Prepared]) -> list[bytes]:
        features: dict[str, Any]
        if isinstance(batch[0].features, tuple):
            features = self._model.preprocess([item.features for item in batch], prompt=self._prompt)
        else:
            features = self._padding.join([item.features for item in batch])
        device = self._model.device
        moved = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in features.items()}
        scores = self._model(moved)["scores"].float().reshape(len(batch)).cpu().numpy()
        if not np.isfinite(scores).all():
            raise ArithmeticError("The model gave a score that is not finite.")
        return [score.astype("<f4").tobytes() for score in scores]

    def warm_up(self) -> None:
        """Compute once, so that the first question does not pay for it."""
        self.encode(self.prepare([PROBE] * self.limits.batch_texts, "query"))


def _load(files: ModelFiles, device: str) -> Any:
    silence_bars()
    try:
        model = CrossEncoder(str(files.folder), device=device, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelFilesError(f"{files.name} is no cross-encoder ({type(error).__name__}).") from error
    if model.num_labels != 1:
        raise ModelFilesError(f"{files.name} gives {model.num_labels} scores a pair; a reranker gives one.")
    return model.float().eval()
