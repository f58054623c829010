"""Tokens of a prompt, told by the upstream that would answer it: one that stands in has another tokenizer."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from inference_gateway.caller import Caller
from inference_gateway.contract import ChatRequest
from inference_gateway.errors import GatewayError, NotOffered, RequestRefused, UpstreamTimeout
from inference_gateway.routing.member import Member
from inference_gateway.routing.router import Router
from inference_gateway.upstreams.protocol import Tokenized, Tokenizing


async def tokenize(router: Router, request: ChatRequest, caller: Caller) -> Tokenized:
    """Return the tokens of the prompt, or of the conversation as the model's template lays it out.

    Raises:
        ModelUnknown, GenerationUnavailable: as the route does.
        NotOffered: the servers behind this model tell no tokens.
        GatewayError: what the last replica says that can be asked.
    """
    alias = router.aliases.find(request.model)
    route = router.route(alias, caller.tenant_id, "")
    failure: GatewayError = NotOffered(f"The servers behind {alias.name} do not tell their tokens.", pointer="/model")
    for choice in route.choices:
        member, upstream = choice.member, choice.member.upstream
        if choice.stands_in or not isinstance(upstream, Tokenizing):
            continue
        try:
            return await _within(member, upstream.tokenize(request))
        except RequestRefused:
            raise
        except GatewayError as error:
            failure = error
    raise failure


async def _within(member: Member, work: Coroutine[Any, Any, Tokenized]) -> Tokenized:
    seconds = member.deadlines.first_seconds
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise UpstreamTimeout(f"The generation server was silent for {seconds:g} s.") from None
