"""What only the base model can say of an adapter. Asked in a process of its own: who asks loads no model library."""

import subprocess
import sys
from pathlib import Path

import msgspec

from inference_gateway.adapters.faults import FolderRefused
from inference_gateway.adapters.manifest import Probe
from ops.runtime.settings import absolute_model

PROGRAM = "inference_gateway.engines.generation.facts"
SECONDS = 900
PACKAGES_FOLDER = Path(__file__).parents[2]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The sha256 of the base model's weights, and what it gives with the adapter for a fixed prompt."""

    base_revision: str
    probe: Probe


def ask_model(model: str, folder: Path) -> Facts:
    """Load `model`, a folder or a hub id, with the adapter in `folder`.

    Raises:
        FolderRefused: the model cannot be loaded, or the adapter does not fit it; the message is the program's last line.
    """
    command = [sys.executable, "-m", PROGRAM, absolute_model(model), str(folder.resolve())]
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=PACKAGES_FOLDER, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise FolderRefused(f"{model} was not loaded within {SECONDS} s") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"status {done.returncode}"]
        raise FolderRefused(lines[-1])
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Facts)
