"""One base model from a folder, as a function from tokens to the logits of the next."""

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import transformers
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from inference_gateway.engines.device import available_cores, best_device
from inference_gateway.engines.generation.cache import BatchCache
from inference_gateway.engines.generation.lora import AdapterHost
from inference_gateway.engines.generation.memory import cache_tokens
from inference_gateway.engines.model_files import ModelFiles, ModelFilesError

Precision = Literal["auto", "float32", "float16", "bfloat16"]

UNLIMITED_TOKENS = 1 << 20
_CACHED_LAYERS = {"full_attention", "sliding_attention", "chunked_attention"}
_HALF = (torch.float16, torch.bfloat16)


class LanguageModel:
    """`context_tokens`: what a prompt and its answer may have together. `decoding` is a tokenizer of the engine's
    thread, `tokenizer` one for all others: they cannot share one.
    """

    def __init__(self, files: ModelFiles, precision: Precision = "auto") -> None:
        disable_progress_bar: Callable[[], None] = transformers.utils.logging.disable_progress_bar
        disable_progress_bar()
        config = _load_config(files)
        self.name = files.name
        self.revision = files.revision
        self.device = best_device()
        self.dtype = choose_dtype(precision, self.device, config.dtype)
        self.tokenizer = _load_tokenizer(files)
        self.decoding = copy.deepcopy(self.tokenizer)
        self._model = _load_weights(files, config, self.dtype).to(self.device)
        self.adapters = AdapterHost(self._model)
        self.vocabulary = int(config.get_text_config(decoder=True).vocab_size)
        self._last_only = "logits_to_keep" in inspect.signature(self._model.forward).parameters
        text_config = config.get_text_config(decoder=True)
        self.cache_tokens = cache_tokens(text_config, self.device, self.dtype)
        longest = getattr(text_config, "max_position_embeddings", None) or UNLIMITED_TOKENS
        self.context_tokens = min(longest, self.cache_tokens)
        self.stop_tokens = _stop_tokens(self._model.generation_config, self.tokenizer)
        self._texts: dict[int, str] = {}

    @torch.inference_mode()
    def forward(
        self, ids: Tensor, positions: Tensor, mask: Tensor | None, cache: BatchCache, adapters: Sequence[str]
    ) -> Tensor:
        """Read `ids` (rows, new columns) and return the logits after the last column, (rows, vocabulary).

        `mask` (rows, all columns) is None where no row is padded; `adapters` names each row's, or `BASE`.
        """
        last_only = {"logits_to_keep": 1} if self._last_only else {}
        output = self.adapters.forward(
            adapters,
            input_ids=ids,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            **last_only,
        )
        cache.advance(ids.shape[1])
        logits: Tensor = output.logits[:, -1]
        return logits

    def decode(self, tokens: list[int]) -> str:
        """Return the text of tokens; the engine's thread alone calls it. That of a token alone is asked for again and again."""
        alone = tokens[0] if len(tokens) == 1 else None
        if alone is not None and alone in self._texts:
            return self._texts[alone]
        text: str = self.decoding.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if alone is not None:
            self._texts[alone] = text
        return text

    def enter_thread(self) -> None:
        """Compute with half of the cores in the thread that calls.

        Each operation waits for its slowest thread: where other processes held a core, two threads on two cores were up to
        ten times slower than one.
        """
        torch.set_num_threads(max(1, available_cores() // 2))


def choose_dtype(precision: Precision, device: torch.device, saved: torch.dtype | None) -> torch.dtype:
    """Return the asked-for precision; `auto` is that of the weights on a GPU that has it, and fp32 on a CPU."""
    if precision != "auto":
        dtype: torch.dtype = getattr(torch, precision)
        return dtype
    if device.type == "cpu" or saved not in _HALF:
        return torch.float32
    if (
        saved == torch.bfloat16
        and device.type == "cuda"
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        return torch.float16
    return saved


def _load_config(files: ModelFiles) -> Any:
    try:
        config = AutoConfig.from_pretrained(files.folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelFilesError(f"{files.name} is of a kind that is not known here ({type(error).__name__}).") from error
    kinds = set(getattr(config.get_text_config(decoder=True), "layer_types", None) or ())
    if unknown := sorted(kinds - _CACHED_LAYERS):
        raise ModelFilesError(f"{files.name} has layers that are not served here: {', '.join(unknown)}.")
    return config


def _load_tokenizer(files: ModelFiles) -> Any:
    try:
        return AutoTokenizer.from_pretrained(files.folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise ModelFilesError(f"{files.name} has no tokenizer that can be loaded ({type(error).__name__}).") from error


def _load_weights(files: ModelFiles, config: Any, dtype: torch.dtype) -> Any:
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            files.folder,
            config=config,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="sdpa",
        )
    except (OSError, ValueError) as error:
        raise ModelFilesError(f"{files.name} is not a text generation model ({type(error).__name__}).") from error
    return model.eval()


def _stop_tokens(generation_config: Any, tokenizer: Any) -> frozenset[int]:
    told = getattr(generation_config, "eos_token_id", None)
    tokens = set(told if isinstance(told, list) else [told]) | {tokenizer.eos_token_id}
    return frozenset(int(token) for token in tokens if token is not None)
