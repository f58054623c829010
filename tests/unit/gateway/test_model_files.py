"""Finding the model's files and refusing wrong ones."""

import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from inference_gateway.engines import model_files
from inference_gateway.engines.languages import model_languages, model_prompts
from inference_gateway.engines.model_files import ChecksumMismatch, ModelFilesError, locate_model, weights_revision


def test_the_packaged_model_has_the_published_checksum() -> None:
    files = locate_model("")

    assert files.revision == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    weights = (files.folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == files.revision


def test_packaged_weights_with_one_changed_byte_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "altered_minilm"
    shutil.copytree(locate_model("").folder, package / "model")
    (package / "__init__.py").touch()
    weights = package / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    monkeypatch.setattr(model_files, "PACKAGED_MODULE", "altered_minilm")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(ChecksumMismatch):
        locate_model("")


def test_without_the_package_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "PACKAGED_MODULE", "no_such_package")
    assert "no_such_package" not in sys.modules

    with pytest.raises(ModelFilesError, match="LYCEUM_EMBEDDER"):
        locate_model("")


def test_a_hub_model_that_is_not_in_the_cache_is_refused_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(ModelFilesError, match="nobody/nothing"):
        locate_model("nobody/nothing")


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError):
        locate_model(str(tmp_path))


def test_the_revision_stands_for_all_weight_files(tmp_path: Path) -> None:
    (tmp_path / "model-1.safetensors").write_bytes(b"one")
    single = weights_revision(tmp_path)
    (tmp_path / "model-2.safetensors").write_bytes(b"two")
    both = weights_revision(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"ignored beside safetensors")

    assert single == hashlib.sha256(b"one").hexdigest()
    assert len({single, both}) == 2
    assert weights_revision(tmp_path) == both


@pytest.mark.parametrize(
    ("name", "card", "languages"),
    [
        ("house/model", "language: ar", ("ar",)),
        ("house/model", "language:\n- en\n- pt-BR\n- en", ("en", "pt")),
        ("house/model", "language: multilingual", ("*",)),
        ("house/model", "language: [" + ", ".join(f"a{c}" for c in "abcdefghij") + "]", ("*",)),
        ("intfloat/multilingual-e5-small", "license: mit", ("*",)),
        ("BAAI/bge-m3", None, ("*",)),
        ("intfloat/e5-base-v2", "language: en", ("en",)),
        ("house/model", None, ("en",)),
        ("house/model", "language: [", ("en",)),
    ],
)
def test_languages_of_a_model(tmp_path: Path, name: str, card: str | None, languages: tuple[str, ...]) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(f"---\n{card}\n---\n# Model\n")

    assert model_languages(name, tmp_path) == languages


def test_prompts_of_a_model() -> None:
    assert model_prompts("house/model", {"query": "", "document": ""}) == {"query": "", "passage": ""}
    assert model_prompts("house/model", {"query": "q: ", "document": "d: "}) == {"query": "q: ", "passage": "d: "}
    assert model_prompts("intfloat/e5-base-v2", {}) == {"query": "query: ", "passage": "passage: "}
    assert model_prompts("intfloat/multilingual-e5-large", {})["query"] == "query: "
    assert model_prompts("intfloat/multilingual-e5-large-instruct", {})["query"] == ""
