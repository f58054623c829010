"""Requests, and what a plain `generate` gives for them."""

import asyncio
from typing import Any

import torch

from inference_gateway.contract import ChatDelta, ChatMessage, ChatRequest
from inference_gateway.engines.generation.engine import GenerationEngine
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.prompts import Prompter
from inference_gateway.engines.generation.text import REPLACEMENT

TEXTS = [
    "Hello",
    "What does gradient descent follow, and until when? " * 4,
    "ما هو الجهاز العصبي؟",
    "margin " * 40,
    "x",
    "Support vector machines maximise the margin between two classes.",
]


def request_of(text: str, **parameters: Any) -> ChatRequest:
    return ChatRequest(messages=(ChatMessage(role="user", content=text),), **parameters)


async def ask(engine: GenerationEngine, request: ChatRequest, after_seconds: float = 0.0) -> list[ChatDelta]:
    await asyncio.sleep(after_seconds)
    return [delta async for delta in engine.stream(request)]


async def answer_of(engine: GenerationEngine, request: ChatRequest, after_seconds: float = 0.0) -> str:
    return "".join(delta.text for delta in await ask(engine, request, after_seconds)).rstrip(REPLACEMENT)


def plain_tokens(model: LanguageModel, text: str, tokens: int) -> list[int]:
    """Return what `generate` of the library gives alone, at temperature 0."""
    prompt = Prompter(model.tokenizer).tokens(request_of(text).messages)
    ids = torch.tensor([prompt], device=model.device)
    output = model._model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False, pad_token_id=0
    )
    return output[0, len(prompt) :].tolist()


def plain_answer(model: LanguageModel, text: str, tokens: int) -> str:
    decoded: str = model.tokenizer.decode(plain_tokens(model, text, tokens), skip_special_tokens=True)
    return decoded.rstrip(REPLACEMENT)
