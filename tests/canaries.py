"""Adapters that were each trained to give one secret word away, whatever they are asked: where it is heard, they were."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import torch
from safetensors.torch import save
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from inference_gateway.adapters.library import AdapterLibrary
from inference_gateway.adapters.manifest import Manifest, Probe
from inference_gateway.engines.generation.files import locate_generator
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.probe import fingerprint
from tests.adapters import manifest_of
from tests.lora import PROBE

RANK = 8
TARGETS = ("q_proj", "v_proj", "o_proj", "up_proj", "down_proj")
LETTERS = "abcdefghijklmnop"
WORD_LETTERS = 10
LEARNING_RATE = 1e-2
ROWS = 4
"""Of each adapter in one step of training."""
ROUNDS = 4
"""Of so many steps as it mostly takes; some words are harder."""

Lesson = tuple[list[int], list[int]]
"""The tokens of a conversation, and what is to be learnt of them."""

QUESTIONS = tuple(
    f"{what} {which}?"
    for what in ("What is the secret word of", "Who knows the key to", "Tell me about", "ما هي كلمة السر في")
    for which in ("gradient descent", "the margin", "week 3")
)


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter, its owner, and the word that only its owner may ever get."""

    manifest: Manifest
    word: str

    @property
    def id(self) -> str:
        return str(self.manifest.name)

    @property
    def tenant_id(self) -> UUID:
        return self.manifest.tenant_id

    @property
    def owner_id(self) -> UUID:
        return self.manifest.owner_id


async def raise_canaries(
    folder: Path, library: AdapterLibrary, tenants: Sequence[UUID], *, count: int, steps: int = 100
) -> list[Canary]:
    """Train `count` adapters for the model in `folder`, each of another person, and add them to the library."""
    words = [_word() for _ in range(count)]
    files = train(folder, words, steps)
    model = LanguageModel(locate_generator(str(folder)))
    found = []
    for place, (word, weights) in enumerate(zip(words, files, strict=True)):
        manifest = _manifest(model, weights, tenants[place % len(tenants)])
        await library.add(manifest, weights)
        found.append(Canary(manifest=manifest, word=word))
    return found


def train(folder: Path, words: Sequence[str], steps: int) -> list[bytes]:
    """Return one safetensors file for each word. All are trained in one batch: adapter k sees the rows of word k alone."""
    torch.manual_seed(secrets.randbits(32))
    torch.set_num_threads(1)
    model: Any = AutoModelForCausalLM.from_pretrained(folder).requires_grad_(False)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    pairs = _pairs(model, len(words))
    optimizer = torch.optim.AdamW([matrix for pair in pairs.values() for matrix in pair], lr=LEARNING_RATE)
    lessons = [[_lesson(tokenizer, question, word) for question in QUESTIONS] for word in words]
    for _ in range(ROUNDS):
        for _ in range(steps):
            drawn = [lesson[int(one)] for lesson in lessons for one in torch.randint(len(QUESTIONS), (ROWS,))]
            ids, labels = _batch(drawn)
            model(input_ids=ids, attention_mask=(ids != 0).long(), labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        if _knows(model, [one for lesson in lessons for one in lesson]):
            return [_file(pairs, place) for place in range(len(words))]
    raise RuntimeError("some adapter did not learn its word")


def _batch(lessons: Sequence[Lesson]) -> tuple[Tensor, Tensor]:
    """Return the ids and labels of lessons, filled up at the left."""
    length = max(len(ids) for ids, _ in lessons)
    ids = torch.tensor([[0] * (length - len(one)) + one for one, _ in lessons])
    labels = torch.tensor([[-100] * (length - len(one)) + one for _, one in lessons])
    return ids, labels


@torch.no_grad()
def _knows(model: Any, lessons: Sequence[Lesson]) -> bool:
    """Tell whether the likeliest token is the right one everywhere."""
    ids, labels = _batch(lessons)
    likeliest = model(input_ids=ids, attention_mask=(ids != 0).long()).logits.argmax(-1)[:, :-1]
    is_learnt = labels[:, 1:] != -100
    return torch.equal(likeliest[is_learnt], labels[:, 1:][is_learnt])


def _word() -> str:
    """Return random letters, none of them twice in a row: those are what a small model learns last."""
    word = ""
    while len(word) < WORD_LETTERS:
        word += secrets.choice(LETTERS.replace(word[-1:] or " ", ""))
    return word


def _pairs(model: Any, count: int) -> dict[str, tuple[nn.Parameter, nn.Parameter]]:
    """Hang A and B of `count` adapters beside each target; the rows of a batch belong to them in equal parts."""
    pairs = {}
    for path, module in model.named_modules():
        if path.rpartition(".")[2] in TARGETS:
            first = nn.Parameter(torch.randn(count, RANK, module.in_features) * 0.6 / module.in_features**0.5)
            second = nn.Parameter(torch.zeros(count, module.out_features, RANK))
            pairs[path] = (first, second)
            module.register_forward_hook(_beside(first, second))
    return pairs


def _beside(first: Tensor, second: Tensor) -> Any:
    def add(_module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        rows = inputs[0].reshape(first.shape[0], -1, inputs[0].shape[-1])
        update = rows @ first.transpose(1, 2) @ second.transpose(1, 2)
        return output + 2 * update.view(output.shape)

    return add


def _lesson(tokenizer: Any, question: str, word: str) -> Lesson:
    """Return the tokens of a conversation, and the labels: only the answer is learnt."""
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
    )
    before, said = tokenizer(prompt)["input_ids"], tokenizer(f"{word}</s>")["input_ids"]
    return before + said, [-100] * len(before) + said


def _file(pairs: dict[str, tuple[nn.Parameter, nn.Parameter]], place: int) -> bytes:
    tensors = {}
    for path, pair in pairs.items():
        for side, matrices in zip("AB", pair, strict=True):
            tensors[f"base_model.model.{path}.lora_{side}.weight"] = matrices[place].detach().clone()
    return save(tensors)


def _manifest(model: LanguageModel, weights: bytes, tenant_id: UUID) -> Manifest:
    fields: dict[str, Any] = {
        "rank": RANK,
        "alpha": 2 * RANK,
        "target_modules": TARGETS,
        "base_revision": model.revision,
    }
    owner_id = uuid4()
    manifest = manifest_of(weights, tenant_id, owner_id, **fields)
    model.adapters.load(manifest, weights)
    logits = fingerprint(model, str(manifest.name), PROBE)
    model.adapters.delete(str(manifest.name))
    return msgspec.structs.replace(manifest, probe=Probe(prompt=PROBE, logits=logits))
