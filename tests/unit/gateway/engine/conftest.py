"""Engines over a small model with random weights, on the CPU."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from inference_gateway.adapters.supply import AdapterSupply
from inference_gateway.engines.generation.engine import GenerationEngine, Limits
from inference_gateway.engines.generation.files import locate_generator
from inference_gateway.engines.generation.model import LanguageModel
from tests import models
from tests.unit.gateway.engine.gate import Gate

small_llama = models.small_llama

MakeEngine = Callable[..., GenerationEngine]


@pytest.fixture(scope="session")
def model(small_llama: Path) -> LanguageModel:
    torch.set_num_threads(1)
    return LanguageModel(locate_generator(str(small_llama)))


@pytest.fixture
def make_engine(model: LanguageModel) -> Iterator[MakeEngine]:
    """Make engines that end with the test; the arguments are those of `Limits`, and `supply` for adapters."""
    made: list[GenerationEngine] = []

    def make(loaded: LanguageModel = model, supply: AdapterSupply | None = None, **limits: float) -> GenerationEngine:
        made.append(GenerationEngine(loaded, Limits(**limits), supply))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def engine(make_engine: MakeEngine) -> GenerationEngine:
    return make_engine()


@pytest.fixture
def gate(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(model, monkeypatch)
