"""Folders as PEFT writes and servers read them: `adapter_config.json` beside `adapter_model.safetensors`."""

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from inference_gateway.adapters.faults import FolderRefused, WeightsCorrupt
from inference_gateway.adapters.library import WEIGHTS_FILE, Artefact
from inference_gateway.adapters.manifest import MAX_ADAPTER_BYTES, MAX_RANK
from inference_gateway.adapters.weights import read_matrices

CONFIG_FILE: Final = "adapter_config.json"


class _Config(msgspec.Struct, frozen=True, kw_only=True):
    """What decides how the matrices are applied. All else in the file is about training."""

    peft_type: str = ""
    lora_alpha: float = 0
    bias: str = "none"
    use_rslora: bool = False
    use_dora: bool = False
    fan_in_fan_out: bool = False
    modules_to_save: list[str] | None = None
    rank_pattern: dict[str, Any] = {}
    alpha_pattern: dict[str, Any] = {}


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter as its folder describes it; whose it is and for which base model is said elsewhere."""

    weights: bytes
    sha256: str
    rank: int
    alpha: int
    target_modules: tuple[str, ...]


def read_folder(folder: Path) -> Offered:
    """Read a folder; its safetensors decide which modules are adapted and with which rank.

    Raises:
        FolderRefused: it holds no LoRA adapter, or one of a kind that is not served.
    """
    try:
        config = msgspec.json.decode((folder / CONFIG_FILE).read_bytes(), type=_Config)
        if (folder / WEIGHTS_FILE).stat().st_size > MAX_ADAPTER_BYTES:
            raise FolderRefused(f"{WEIGHTS_FILE} is larger than {MAX_ADAPTER_BYTES} bytes")
        weights = (folder / WEIGHTS_FILE).read_bytes()
        matrices = read_matrices(weights)
    except OSError as error:
        raise FolderRefused(f"{folder} needs {CONFIG_FILE} and {WEIGHTS_FILE}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise FolderRefused(f"{CONFIG_FILE} is not a configuration of PEFT") from None
    except WeightsCorrupt as fault:
        raise FolderRefused(f"{WEIGHTS_FILE}: {fault}") from None
    if (reason := _unserved(config)) or matrices.rank > MAX_RANK:
        raise FolderRefused(f"the adapter cannot be served: {reason or 'its rank is too high'}")
    return Offered(
        weights=weights,
        sha256=hashlib.sha256(weights).hexdigest(),
        rank=matrices.rank,
        alpha=int(config.lora_alpha),
        target_modules=tuple(sorted({module.rpartition(".")[2] for module in matrices.modules})),
    )


def write_folder(folder: Path, artefact: Artefact, base_model: str) -> None:
    """Write an adapter as PEFT, TGI and vLLM read it."""
    manifest = artefact.manifest
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": manifest.rank,
        "lora_alpha": manifest.alpha,
        "lora_dropout": 0.0,
        "target_modules": manifest.target_modules,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(artefact.weights)
    (folder / CONFIG_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(config), indent=2))


def _unserved(config: _Config) -> str:
    kinds = {
        "it is no LoRA": config.peft_type != "LORA",
        "it uses rsLoRA": config.use_rslora,
        "it uses DoRA": config.use_dora,
        "it changes biases": config.bias != "none",
        "it replaces whole modules": bool(config.modules_to_save),
        "it has several ranks or alphas": bool(config.rank_pattern or config.alpha_pattern),
        "its weights are transposed": config.fan_in_fan_out,
        "its lora_alpha is not a whole number": config.lora_alpha < 1 or config.lora_alpha != int(config.lora_alpha),
    }
    return next((reason for reason, is_so in kinds.items() if is_so), "")
