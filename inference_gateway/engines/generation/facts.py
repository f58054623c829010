"""`python -m inference_gateway.engines.generation.facts MODEL FOLDER`: the facts of an adapter as one line of JSON."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec

from inference_gateway.adapters.facts import Facts
from inference_gateway.adapters.faults import AdapterFault, FolderRefused
from inference_gateway.adapters.manifest import Manifest, Probe
from inference_gateway.adapters.peft_folder import read_folder
from inference_gateway.engines.generation.files import locate_generator
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.probe import fingerprint
from inference_gateway.engines.model_files import ModelFilesError

QUESTION = "What do you say to this, and why? 1 2 3 ؟"
PROMPT_TOKENS = 16
NOBODY = UUID(int=0)


def facts_of(model: LanguageModel, folder: Path) -> Facts:
    """Load the adapter and ask its probe.

    Raises:
        FolderRefused: the folder holds no adapter that can be served.
        WeightsCorrupt: its matrices do not fit the model.
    """
    offered = read_folder(folder)
    prompt = tuple(model.tokenizer(QUESTION)["input_ids"][:PROMPT_TOKENS])
    manifest = Manifest(
        namespace="offered",
        sha256=offered.sha256,
        tenant_id=NOBODY,
        owner_id=NOBODY,
        base_revision=model.revision,
        rank=offered.rank,
        alpha=offered.alpha,
        target_modules=offered.target_modules,
        size_bytes=len(offered.weights),
        probe=Probe(prompt=prompt, logits=(0.0,)),
        created_at=datetime.now(UTC),
    )
    model.adapters.load(manifest, offered.weights)
    logits = fingerprint(model, str(manifest.name), prompt)
    model.adapters.delete(str(manifest.name))
    return Facts(base_revision=model.revision, probe=Probe(prompt=prompt, logits=logits))


def main(model: str, folder: str) -> int:
    """Print the facts, or on stderr why there are none."""
    try:
        facts = facts_of(LanguageModel(locate_generator(model)), Path(folder))
    except (ModelFilesError, FolderRefused, AdapterFault) as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    sys.stdout.write(f"{msgspec.json.encode(facts).decode()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
