"""TGI's `POST /tokenize` and `/chat_tokenize`: the tokens of a text, or of a conversation laid out by the model's template."""

from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency

from inference_gateway.caller import Caller
from inference_gateway.contract import GENERATE_PURPOSE, ChatRequest
from inference_gateway.generation import Generation
from inference_gateway.routing.tokenizing import tokenize
from inference_gateway.upstreams.protocol import Tokenized
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.body import read_body
from inference_gateway.wire.chat_input import ChatInput, chat_request
from inference_gateway.wire.disconnect import while_connected
from inference_gateway.wire.documents import document
from inference_gateway.wire.fields import Prompt, model_of
from inference_gateway.wire.tgi_input import GenerateParameters


class TokenizeInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TGI's request, of which the parameters change nothing. `model` is an addition: a name as on the other paths."""

    inputs: Prompt
    parameters: GenerateParameters = GenerateParameters()
    stream: bool = False
    model: str = ""


_text_decoder = msgspec.json.Decoder(TokenizeInput)
_chat_decoder = msgspec.json.Decoder(ChatInput)


@post("/tokenize", status_code=200, opt=purposes(GENERATE_PURPOSE))
async def tokenize_text(request: Request[Any, Any, Any], generation: NamedDependency[Generation]) -> Response[bytes]:
    """Return the tokens of a text, special ones included."""
    wanted = await read_body(request, _text_decoder)
    told = await _told(request, ChatRequest(prompt=wanted.inputs, model=model_of(wanted.model)), generation)
    return document(told.tokens)


@post("/chat_tokenize", status_code=200, opt=purposes(GENERATE_PURPOSE))
async def tokenize_chat(request: Request[Any, Any, Any], generation: NamedDependency[Generation]) -> Response[bytes]:
    """Return the tokens of a conversation, and the text that they are of."""
    wanted = await read_body(request, _chat_decoder)
    told = await _told(request, chat_request(wanted), generation)
    return document({"tokenize_response": told.tokens, "templated_text": told.templated_text})


async def _told(request: Request[Any, Any, Any], wanted: ChatRequest, generation: Generation) -> Tokenized:
    return await while_connected(request, tokenize(generation.router, wanted, Caller.of(request.state.claims)))
