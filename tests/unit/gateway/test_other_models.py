"""Models other than the packaged one: a folder, a hub id from the cache, prompts, and models without token rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from inference_gateway.engines.model_files import locate_model
from inference_gateway.engines.sentence_encoder import SentenceEncoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "query", "passage", ":", "red", "green", "blue", "light", "wave"]
TEXTS = ["red light", "green", "blue blue blue wave", "red green blue light wave"]


def word_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def save_tiny_bert(folder: Path, prompts: dict[str, str] | None = None) -> None:
    inner = folder.parent / f"{folder.name}-inner"
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(inner)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer_class: Any = PreTrainedTokenizerFast
    tokenizer_class(tokenizer_object=word_tokenizer(), **names).save_pretrained(inner)
    module = Transformer(str(inner), max_seq_length=32)
    SentenceTransformer(modules=[module, Pooling(16)], prompts=prompts, device="cpu").save(str(folder))


def rows(encoder: SentenceEncoder, lane: str) -> np.ndarray:
    encoded = encoder.encode(encoder.prepare(TEXTS, lane))  # type: ignore[arg-type]
    return np.stack([np.frombuffer(row, dtype="<f4") for row in encoded])


def test_a_folder_is_served_under_its_name_with_its_own_revision(tmp_path: Path) -> None:
    save_tiny_bert(tmp_path / "house-model")
    (tmp_path / "house-model" / "README.md").write_text("---\nlanguage: [en, ar]\n---\n")

    encoder = SentenceEncoder(locate_model(str(tmp_path / "house-model")))

    assert (encoder.info.embedder, encoder.info.dimensions) == ("house-model", 16)
    assert encoder.info.languages == ("en", "ar")
    assert len(encoder.info.revision) == 64
    expected = SentenceTransformer(str(tmp_path / "house-model"), device="cpu").encode(TEXTS)
    assert np.abs(rows(encoder, "passage") - expected).max() <= 1e-5


def test_declared_prompts_go_before_questions_and_passages(tmp_path: Path) -> None:
    save_tiny_bert(tmp_path / "prompted", {"query": "query : ", "passage": "passage : "})

    encoder = SentenceEncoder(locate_model(str(tmp_path / "prompted")))

    bare = SentenceTransformer(str(tmp_path / "prompted"), device="cpu")
    asked, stored = rows(encoder, "query"), rows(encoder, "passage")
    assert np.abs(asked - bare.encode(TEXTS, prompt="query : ")).max() <= 1e-5
    assert np.abs(stored - bare.encode(TEXTS, prompt="passage : ")).max() <= 1e-5
    assert np.abs(asked - stored).max() > 1e-3


def test_a_hub_model_comes_from_the_cache_when_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "models--house--multilingual-tiny"
    commit = "a" * 40
    save_tiny_bert(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    encoder = SentenceEncoder(locate_model("house/multilingual-tiny"))

    assert encoder.info.embedder == "house/multilingual-tiny"
    assert encoder.info.languages == ("*",)


@pytest.mark.parametrize("lane", ["query", "passage"])
def test_a_model_without_rows_of_tokens_works_too(tmp_path: Path, lane: str) -> None:
    SentenceTransformer(modules=[StaticEmbedding(word_tokenizer(), embedding_dim=8)], device="cpu").save(
        str(tmp_path / "static")
    )

    encoder = SentenceEncoder(locate_model(str(tmp_path / "static")))

    expected = SentenceTransformer(str(tmp_path / "static"), device="cpu").encode(TEXTS)
    assert np.abs(rows(encoder, lane) - expected).max() <= 1e-5


def test_a_vector_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    save_tiny_bert(tmp_path / "broken")
    encoder = SentenceEncoder(locate_model(str(tmp_path / "broken")))
    next(encoder._model.parameters()).data.fill_(float("nan"))

    with pytest.raises(ArithmeticError):
        rows(encoder, "passage")
