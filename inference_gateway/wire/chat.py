"""`POST /v1/chat/completions`: OpenAI's shape, whole or streamed.

The hot path: an ASGI application within Litestar, which routes to it, asks the guard and answers its errors as everywhere; its
objects for request and response would cost more than reading and writing do.
"""

import msgspec
from litestar import asgi
from litestar.exceptions import MethodNotAllowedException
from litestar.types import Receive, Scope, Send

from inference_gateway.caller import Caller
from inference_gateway.contract import GENERATE_PURPOSE
from inference_gateway.generation import Generation
from inference_gateway.wire.answering import send_json, send_streamed, wait_for_all
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.body import receive_body
from inference_gateway.wire.chat_input import ChatInput, chat_request
from inference_gateway.wire.chunks import ChatChunks, chat_completion

_decoder = msgspec.json.Decoder(ChatInput)


@asgi("/v1/chat/completions", opt=purposes(GENERATE_PURPOSE), copy_scope=False)
async def create_chat_completion(scope: Scope, receive: Receive, send: Send) -> None:
    """Continue a conversation; an error before the first piece has its own status, a later one is an event."""
    if scope.get("method") != "POST":
        raise MethodNotAllowedException(headers={"Allow": "POST"})
    wanted = await receive_body(scope, receive, _decoder)
    generation: Generation = scope["litestar_app"].state.generation
    answer = generation.open(chat_request(wanted), Caller.of(scope["state"]["claims"]))
    if wanted.stream:
        await send_streamed(receive, send, answer, lambda model: ChatChunks(model, wanted.wants_usage))
    else:
        await send_json(send, chat_completion(await wait_for_all(receive, answer)), answer)
