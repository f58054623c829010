"""A model's forward pass under a test's control."""

import asyncio
import threading
import time
from typing import Any

import pytest
from torch import Tensor

from inference_gateway.contract import ChatRequest
from inference_gateway.engines.generation.engine import GenerationEngine
from inference_gateway.engines.generation.model import LanguageModel
from tests.processes import eventually
from tests.unit.gateway.engine.asking import answer_of


class Gate:
    """Makes a model's forward pass slow, or fail, for as long as it is told."""

    def __init__(self, model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        self.opened = threading.Event()
        self.opened.set()
        self.rows: list[int] = []
        self.shapes: list[tuple[int, int]] = []
        self.fail = lambda rows, columns: None
        self._forward = model.forward
        monkeypatch.setattr(model, "forward", self)

    def __call__(self, ids: Tensor, positions: Tensor, mask: Tensor | None, cache: Any, adapters: list[str]) -> Tensor:
        self.opened.wait(timeout=20)
        rows, columns = ids.shape
        self.rows.append(rows)
        self.shapes.append((rows, columns))
        time.sleep(self.seconds)
        if (error := self.fail(rows, columns)) is not None:
            raise error
        return self._forward(ids, positions, mask, cache, adapters)

    async def together(self, engine: GenerationEngine, asked: list[ChatRequest]) -> list[str]:
        """Return the answers to requests that all wait before the first is read."""
        self.opened.clear()
        answers = [asyncio.create_task(answer_of(engine, request)) for request in asked]
        await eventually(lambda: len(engine._waiting._inside) == len(asked))
        self.opened.set()
        return await asyncio.gather(*answers)

    def reads(self) -> list[int]:
        """Return the rows of each pass that read more than a token of each."""
        return [rows for rows, columns in self.shapes if columns > 1]
