"""Which languages an embedding model was made for, and the prompts it wants, where its files do not say so."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from huggingface_hub import ModelCard

from inference_gateway.contract import ANY_LANGUAGE, Lane

UNDECLARED = ("en",)
MANY_LANGUAGES = 10
"""A card that lists at least so many languages means a multilingual model."""

_MULTILINGUAL = re.compile(r"multilingual|bge-m3|labse|distiluse-base-multilingual|gte-multilingual|-m-v\d")
_E5 = re.compile(r"(^|/)(multilingual-)?e5-(small|base|large)(-v2)?$")


def model_languages(name: str, folder: Path | None = None) -> tuple[str, ...]:
    """Return ISO 639-1 codes, or `("*",)`, from the model card where there is one, else from the name, else English."""
    if _MULTILINGUAL.search(name.lower()):
        return (ANY_LANGUAGE,)
    declared = _declared(folder / "README.md") if folder is not None else ()
    if "multilingual" in declared or len(declared) >= MANY_LANGUAGES:
        return (ANY_LANGUAGE,)
    return declared or UNDECLARED


def model_prompts(name: str, declared: Mapping[str, str | None]) -> dict[Lane, str]:
    """Return what to put before a question and before a passage: what the model declares, else what E5 was trained on."""
    query = declared.get("query") or ""
    passage = declared.get("document") or declared.get("passage") or ""
    if not (query or passage) and _E5.search(name.lower()):
        return {"query": "query: ", "passage": "passage: "}
    return {"query": query, "passage": passage}


def _declared(card: Path) -> tuple[str, ...]:
    if not card.is_file():
        return ()
    try:
        language = ModelCard.load(card).data.language
    except (ValueError, yaml.YAMLError):
        return ()
    codes = [language] if isinstance(language, str) else list(language or ())
    return tuple(dict.fromkeys(str(code).lower().split("-")[0] for code in codes))
