"""Where the generation model's files are, and that they are what was asked for. Imports no torch."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id
from huggingface_hub.utils.tqdm import disable_progress_bars

from inference_gateway.engines.model_files import ChecksumMismatch, ModelFiles, ModelFilesError, weights_revision

WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
"""What is downloaded: never a pickle, never code, nothing from folders below."""

UNWANTED = ["*/*"]
_PATH_BEGINNINGS = ("/", ".", "~")


def model_name(model: str) -> str:
    """Return the name under which the setting's model is served: the folder's own, or the hub id."""
    folder = Path(model).expanduser()
    return folder.resolve().name if folder.is_dir() or model.startswith(_PATH_BEGINNINGS) else model


def check_setting(model: str) -> None:
    """Refuse what can be known to be wrong without a download.

    Raises:
        ModelFilesError: the setting is neither a model folder nor the form of a hub id.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        _check_folder(folder)
        return
    if model.startswith(_PATH_BEGINNINGS):
        raise ModelFilesError(f"{model} is not a folder.")
    try:
        validate_repo_id(model)
    except HFValidationError:
        raise ModelFilesError(f"{model} is neither a folder nor the id of a hub model.") from None


def locate_generator(model: str, sha256: str = "") -> ModelFiles:
    """Find the model named by a setting, a folder or the id of a hub model, and check its weights against `sha256`.

    Only for a hub id is the network asked, and not then when `HF_HUB_OFFLINE` is set.

    Raises:
        ModelFilesError: there is no such model, or it is not one that can be served.
        ChecksumMismatch: the weights are others.
    """
    check_setting(model)
    folder = Path(model).expanduser()
    if not folder.is_dir():
        folder = _download(model)
        _check_folder(folder)
    revision = weights_revision(folder)
    if sha256 and revision != sha256.strip().lower():
        raise ChecksumMismatch(f"The weights of {model_name(model)} have sha256 {revision}, not {sha256.strip()}.")
    return ModelFiles(name=model_name(model), folder=folder, revision=revision)


def _check_folder(folder: Path) -> None:
    config = _read_config(folder)
    if not config.get("model_type"):
        raise ModelFilesError(f"{folder.name} is not a model folder: its config.json names no model_type.")
    if config.get("quantization_config"):
        raise ModelFilesError(f"{folder.name} is quantised; weights in fp32, fp16 or bf16 are served.")
    if not any(folder.glob("*.safetensors")):
        raise ModelFilesError(f"{folder.name} holds no *.safetensors; pickled weights are never loaded.")


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except OSError:
        raise ModelFilesError(f"{folder.name} is not a model folder: it has no config.json.") from None
    except ValueError:
        raise ModelFilesError(f"{folder.name} is not a model folder: its config.json cannot be read.") from None
    return config if isinstance(config, dict) else {}


def _download(name: str) -> Path:
    disable_progress_bars()
    try:
        return Path(snapshot_download(name, allow_patterns=WANTED, ignore_patterns=UNWANTED))
    except Exception as error:
        raise ModelFilesError(f"The hub model {name!r} cannot be had: {type(error).__name__}.") from error
