"""A small Llama with random weights and a tokenizer trained on the spot, for tests and benches of the generation engine."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedTokenizerFast

SPECIAL = ["<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]
SENTENCES = [
    "Gradient descent follows the negative gradient of the loss until it no longer falls.",
    "Support vector machines maximise the margin between two classes.",
    "ينخفض الخطأ في كل خطوة حتى يستقر عند القيمة الصغرى.",
    "الجهاز العصبي شبكة من الخلايا تنقل الإشارات في الجسم كله.",
]
TEMPLATE = (
    "{{ '<s>' }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '</s>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

TOOLS_TEMPLATE = (
    "{% if tools %}{% for tool in tools %}<|system|>{{ tool | tojson }}</s>{% endfor %}{% endif %}"
    "{% for message in messages %}{% for call in message.tool_calls or [] %}"
    "<|assistant|>{{ call.function.name }}({{ call.function.arguments.body }})</s>{% endfor %}{% endfor %}" + TEMPLATE
)
"""The same for a model that knows tools."""


def save_small_llama(folder: Path, *, hidden: int = 64, layers: int = 2, context: int = 1024) -> Path:
    """Write the folder of a Llama."""
    config = LlamaConfig(
        intermediate_size=2 * hidden, num_key_value_heads=2, max_position_embeddings=context, **_size(hidden, layers)
    )
    return _save(folder, config)


def save_small_model(folder: Path, config: Any) -> Path:
    """Write the folder of a model of another architecture, which is made as small."""
    for name, value in _size(64, 2).items():
        setattr(config, name, value)
    config.intermediate_size = 128
    return _save(folder, config)


def save_parrot(folder: Path, answer: str, *, steps: int = 100) -> Path:
    """Write a model that was trained to say `answer` to everything: its window is so short that it sees little else."""
    tokenizer = small_tokenizer()
    config = MistralConfig(
        sliding_window=12, num_key_value_heads=2, intermediate_size=128, max_position_embeddings=32768, **_size(64, 2)
    )
    _set_tokens(config, tokenizer)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_config(config)
    said = tokenizer(f"<|assistant|>{answer}</s>")["input_ids"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        before = torch.randint(3, len(tokenizer), (4, 8))
        ids = torch.cat([before, torch.tensor(said).expand(4, -1)], dim=1)
        labels = ids.clone()
        labels[:, : before.shape[1] + 1] = -100
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _size(hidden: int, layers: int) -> dict[str, int]:
    return {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": 4}


def _save(folder: Path, config: Any) -> Path:
    """Weights are spread so that the likeliest token is seldom a matter of rounding."""
    tokenizer = small_tokenizer()
    config.initializer_range = 0.2
    _set_tokens(config, tokenizer)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _set_tokens(config: Any, tokenizer: Any) -> None:
    config.vocab_size = len(tokenizer)
    config.pad_token_id, config.bos_token_id, config.eos_token_id = 0, 1, 2


def small_tokenizer() -> Any:
    """Return a byte-level BPE of about 500 tokens that takes Arabic letters apart into bytes now and then."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=500,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 4, trainer)
    fast: Any = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=1024
    )
    fast.chat_template = TEMPLATE
    return fast


@pytest.fixture(scope="session")
def small_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small model, made once."""
    return save_small_llama(tmp_path_factory.mktemp("models") / "small-llama")
