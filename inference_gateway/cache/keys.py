"""What shapes an answer, as one name: whoever may not see an answer never makes its name."""

import hashlib

import msgspec

from inference_gateway.caller import Caller
from inference_gateway.contract import PERSONAL_SCOPE, ChatRequest
from inference_gateway.ports import AuthorisedAdapter

FORM = 1
_encoder = msgspec.json.Encoder(order="deterministic")


def answer_key(request: ChatRequest, caller: Caller, model_hash: str, adapter: AuthorisedAdapter | None) -> str | None:
    """Return a name made of everything that shapes the answer, or None where it may not be kept.

    Kept is what comes out the same each time (temperature 0, or a seed), from a model that is known by its hash, and whose
    asker says in `cache_scope` what stands behind the prompt: its version, the scope and the document-set versions.
    What an adapter gives, and what is asked in a personal scope, is the person's alone.
    """
    repeatable = request.temperature == 0 or request.seed is not None
    if not (repeatable and request.cache_scope and model_hash and caller.tenant_id):
        return None
    personal = adapter is not None or bool(request.adapter) or request.cache_scope.startswith(PERSONAL_SCOPE)
    if personal and caller.user_id is None:
        return None
    shape = (
        FORM,
        caller.tenant_id,
        caller.course_id,
        caller.user_id if personal else None,
        caller.purpose,
        request.cache_scope,
        model_hash,
        adapter.sha256 if adapter is not None else request.adapter,
        request.messages,
        request.prompt,
        request.tools,
        request.tool_choice,
        request.json_schema,
        request.max_tokens,
        request.temperature,
        request.top_p,
        request.stop,
        request.seed,
        request.model,
    )
    return f"response:{hashlib.sha256(_encoder.encode(shape)).hexdigest()}"


def tags_of(request: ChatRequest, caller: Caller) -> tuple[str, ...]:
    """Return what an answer can be purged by: its tenant, person, course, and the documents its prompt quotes."""
    owners = {"tenant": caller.tenant_id, "user": caller.user_id, "course": caller.course_id}
    named = tuple(f"{kind}:{owner}" for kind, owner in owners.items() if owner is not None)
    return named + tuple(f"document:{document_id}" for document_id in request.cache_documents)
