"""msgspec's messages as JSON pointers."""

import msgspec
import pytest

from inference_gateway.wire.body import explain
from inference_gateway.wire.chat_input import ChatInput
from inference_gateway.wire.embeddings import EmbeddingInput


@pytest.mark.parametrize(
    ("kind", "content", "pointer"),
    [
        (ChatInput, b'{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": 7}]}', "/messages/1/content"),
        (ChatInput, b'{"messages": [{"content": "hi"}]}', "/messages/0/role"),
        (ChatInput, b'{"messages": [{"role": "user", "content": "a"}], "stream_options": {"a/b~c": 1}}', "/stream_options/a~1b~0c"),
        (EmbeddingInput, b"[]", ""),
        (EmbeddingInput, b'{"input": {"a": 1}}', "/input"),
    ],
)  # fmt: skip
def test_the_pointer_names_the_place(kind: type, content: bytes, pointer: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(content, type=kind)

    message, found = explain(str(refused.value))

    assert found == pointer
    assert "$" not in message
