"""The second stage: a model that is served, an adapter that is the caller's own, and numbers that fit. Nobody checks again."""

import msgspec

from inference_gateway.caller import Caller
from inference_gateway.contract import ChatRequest
from inference_gateway.errors import RequestRefused
from inference_gateway.pipe.admit import Admitted
from inference_gateway.ports import AdapterGate, AuthorisedAdapter
from inference_gateway.routing.aliases import Alias, Aliases


class Valid(msgspec.Struct, frozen=True):
    """A request that can be answered. Its tenant and person are those of the signed token, whatever the body said."""

    request: ChatRequest
    caller: Caller
    alias: Alias
    adapter: AuthorisedAdapter | None


async def validate(admitted: Admitted, aliases: Aliases, gate: AdapterGate) -> Valid:
    """Return the request with what its names stand for.

    Raises:
        GenerationUnavailable: nothing is served here.
        ModelUnknown, AdapterUnknown: no such model; no such adapter of this caller.
        RequestRefused: neither messages nor a prompt, or both; more tokens asked for than the model takes.
    """
    request, caller = admitted.request, admitted.caller
    if bool(request.messages) == (request.prompt is not None):
        raise RequestRefused("Either messages or a prompt is needed.", pointer="/messages")
    alias = aliases.find(request.model)
    _check_length(request, alias)
    adapter = await gate.authorise(request.adapter, caller) if request.adapter else None
    own = msgspec.structs.replace(
        request,
        adapter=adapter.id if adapter else "",
        tenant_id=caller.tenant_id,
        user_id=caller.user_id,
    )
    return Valid(own, caller, alias, adapter)


def _check_length(request: ChatRequest, alias: Alias) -> None:
    limit = min((one.traits.context_tokens for one in alias.stages[0] if one.traits.context_tokens), default=0)
    if limit and request.max_tokens > limit:
        raise RequestRefused(f"{alias.name} takes {limit} tokens, prompt and answer together.", pointer="/max_tokens")
