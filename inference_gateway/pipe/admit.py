"""The first stage: a permit and a share of the quota for as long as the request lasts."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from inference_gateway.caller import Caller
from inference_gateway.contract import ChatRequest
from inference_gateway.ports import Admission, Grant

BYTES_PER_TOKEN = 3
"""On the careful side: tokens of English have about four bytes, of Arabic about five."""

TOKENS_PER_MESSAGE = 8


class Admitted(msgspec.Struct, frozen=True):
    """A request that may go on. Not validated yet."""

    request: ChatRequest
    caller: Caller
    grant: Grant
    queue_seconds: float


@asynccontextmanager
async def admit(admission: Admission, request: ChatRequest, caller: Caller) -> AsyncIterator[Admitted]:
    """Hold a permit while the block runs; raises what `Admission.admit` does.

    An answer that a quota may end is streamed, whoever waits for it, so that no more is generated than is paid for.
    """
    began_at = time.perf_counter()
    prompt = prompt_tokens(request)
    async with admission.admit(caller, prompt + request.max_tokens, prompt) as grant:
        if request.whole and not grant.covers_all:
            request = msgspec.structs.replace(request, whole=False)
        yield Admitted(request, caller, grant, time.perf_counter() - began_at)


def prompt_tokens(request: ChatRequest) -> int:
    """Guess how many tokens the prompt has; only the upstream can count them."""
    texts = [request.prompt] if request.prompt is not None else [message.content for message in request.messages]
    size = sum(len(text.encode()) for text in texts)
    return size // BYTES_PER_TOKEN + TOKENS_PER_MESSAGE * len(texts)
