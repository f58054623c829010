"""Finding the generation model, and refusing what is none."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import BertConfig, BertModel

from inference_gateway.engines.generation.files import locate_generator, model_name
from inference_gateway.engines.generation.model import LanguageModel, choose_dtype
from inference_gateway.engines.model_files import ChecksumMismatch, ModelFilesError
from inference_gateway.upstreams.choose import upstream_from
from ops.runtime.settings import Settings, SettingsError, load_settings
from tests.models import small_tokenizer


@pytest.fixture
def copy(small_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_llama, tmp_path / "house-model"))


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_a_folder_is_served_under_its_name_with_the_checksum_of_its_weights(copy: Path) -> None:
    files = locate_generator(str(copy))

    assert (files.name, files.folder) == ("house-model", copy)
    assert locate_generator(str(copy), files.revision.upper()).revision == files.revision
    with pytest.raises(ChecksumMismatch, match="house-model"):
        locate_generator(str(copy), "0" * 64)


BREAK: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "not JSON": (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
    "no type": (lambda folder: change_config(folder, model_type=None), "names no model_type"),
    "quantised": (lambda folder: change_config(folder, quantization_config={"bits": 4}), "is quantised"),
    "pickled": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        "pickled weights are never loaded",
    ),
}


@pytest.mark.parametrize("kind", BREAK)
def test_a_folder_that_is_no_model_is_refused_at_the_start(copy: Path, kind: str) -> None:
    damage, sentence = BREAK[kind]
    damage(copy)

    with pytest.raises(ModelFilesError, match=sentence):
        locate_generator(str(copy))
    with pytest.raises(SettingsError, match=f"LYCEUM_MODEL: .*{sentence}"):
        upstream_from(Settings(model=str(copy)))


@pytest.mark.parametrize("model", ["/no/such/folder", "./none", "~/none", "a/b/c", "has space"])
def test_what_is_neither_folder_nor_hub_id_is_refused_without_asking_the_network(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_arguments: object, **_options: object) -> str:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("inference_gateway.engines.generation.files.snapshot_download", download)

    with pytest.raises(ModelFilesError):
        locate_generator(model)


def test_a_hub_model_comes_from_the_cache_when_offline(
    small_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models--house--tutor"
    shutil.copytree(small_llama, repository / "snapshots" / ("a" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    assert locate_generator("house/tutor").name == "house/tutor"
    with pytest.raises(ModelFilesError, match="house/other"):
        locate_generator("house/other")


def test_names(tmp_path: Path) -> None:
    assert model_name("house/tutor") == "house/tutor"
    assert model_name(str(tmp_path)) == tmp_path.name
    assert model_name("/models/not-there") == "not-there"


def test_a_folder_is_made_absolute_for_processes_that_start_elsewhere(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy.parent)

    assert load_settings({"LYCEUM_MODEL": "house-model"}).model == str(copy)
    assert load_settings({"LYCEUM_MODEL": "house/tutor"}).model == "house/tutor"


def test_a_model_of_another_kind_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    tokenizer = small_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(config).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    change_config(tmp_path / "bert", layer_types=["linear_attention"])

    with pytest.raises(ModelFilesError, match="linear_attention"):
        LanguageModel(locate_generator(str(tmp_path / "bert")))


def test_a_kind_that_nobody_knows_and_a_missing_tokenizer_are_refused(copy: Path) -> None:
    for file in copy.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelFilesError, match="no tokenizer"):
        LanguageModel(locate_generator(str(copy)))
    change_config(copy, model_type="perpetuum")
    with pytest.raises(ModelFilesError, match="kind that is not known"):
        LanguageModel(locate_generator(str(copy)))


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_the_precision_can_be_chosen(small_llama: Path, precision: str) -> None:
    model = LanguageModel(locate_generator(str(small_llama)), precision)  # type: ignore[arg-type]

    assert str(model.dtype) == str(next(model._model.parameters()).dtype) == f"torch.{precision}"


def test_a_cpu_computes_in_fp32_unless_told_otherwise() -> None:
    import torch

    assert choose_dtype("auto", torch.device("cpu"), torch.bfloat16) == torch.float32
    assert choose_dtype("auto", torch.device("mps"), torch.float16) == torch.float16
    assert choose_dtype("bfloat16", torch.device("cpu"), torch.float32) == torch.bfloat16
