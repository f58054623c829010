"""Folders as PEFT writes them: what is served is read, all else is refused with a sentence."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from inference_gateway.adapters.faults import FolderRefused
from inference_gateway.adapters.library import WEIGHTS_FILE, Artefact
from inference_gateway.adapters.names import AdapterName, served_as
from inference_gateway.adapters.peft_folder import CONFIG_FILE, read_folder, write_folder
from tests.adapters import RANK, manifest_of, small_weights

CONFIG = {"peft_type": "LORA", "lora_alpha": 16, "r": 999, "bias": "none", "trained_by": "anybody"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / CONFIG_FILE).write_text(json.dumps(CONFIG))
    (tmp_path / WEIGHTS_FILE).write_bytes(small_weights())
    return tmp_path


def test_the_weights_say_what_is_adapted(folder: Path) -> None:
    offered = read_folder(folder)

    assert (offered.rank, offered.alpha, offered.target_modules) == (RANK, 16, ("q_proj",))
    assert offered.weights == (folder / WEIGHTS_FILE).read_bytes()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    weights = small_weights()
    manifest = manifest_of(weights, uuid4(), uuid4())
    write_folder(tmp_path / "out", Artefact(manifest=manifest, weights=weights), "base/model")

    offered = read_folder(tmp_path / "out")

    assert (offered.sha256, offered.rank, offered.alpha, offered.target_modules) == (
        manifest.sha256,
        manifest.rank,
        manifest.alpha,
        manifest.target_modules,
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"peft_type": "IA3"}, "no LoRA"),
        ({"use_rslora": True}, "rsLoRA"),
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "biases"),
        ({"modules_to_save": ["lm_head"]}, "whole modules"),
        ({"rank_pattern": {"q_proj": 4}}, "several ranks"),
        ({"fan_in_fan_out": True}, "transposed"),
        ({"lora_alpha": 1.5}, "whole number"),
        ({"lora_alpha": 0}, "whole number"),
        ({"lora_alpha": "x"}, "configuration of PEFT"),
    ],
)
def test_what_is_not_served_is_refused(folder: Path, changes: dict[str, Any], reason: str) -> None:
    (folder / CONFIG_FILE).write_text(json.dumps(CONFIG | changes))

    with pytest.raises(FolderRefused, match=reason):
        read_folder(folder)


def test_a_configuration_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / CONFIG_FILE).write_bytes(b'{"bias": "\xff"}')

    with pytest.raises(FolderRefused, match="configuration of PEFT"):
        read_folder(folder)


def test_a_pickle_and_an_empty_folder_are_refused(folder: Path) -> None:
    (folder / WEIGHTS_FILE).write_bytes(b"\x80\x04\x95not safetensors")
    with pytest.raises(FolderRefused, match="not safetensors"):
        read_folder(folder)
    (folder / CONFIG_FILE).unlink()
    with pytest.raises(FolderRefused, match=CONFIG_FILE):
        read_folder(folder)


def test_a_server_s_name_for_it_cannot_be_read_in_two_ways() -> None:
    name = AdapterName("a-b_c", "f" * 64)
    assert served_as(str(name)) == f"a-b_c.{'f' * 64}"
    assert "." not in name.namespace
