"""All routes of the gateway."""

from litestar.types import ControllerRouterHandler

from inference_gateway.wire.admin import drain_upstream, list_upstreams, resume_upstream
from inference_gateway.wire.chat import create_chat_completion
from inference_gateway.wire.completions import create_completion
from inference_gateway.wire.embeddings import create_embeddings
from inference_gateway.wire.models import list_models
from inference_gateway.wire.root import info, root
from inference_gateway.wire.service import live, metrics, ready
from inference_gateway.wire.tei import embed, rerank
from inference_gateway.wire.tgi import generate, generate_stream
from inference_gateway.wire.tokenizing import tokenize_chat, tokenize_text

ROUTES: list[ControllerRouterHandler] = [
    create_chat_completion,
    create_completion,
    create_embeddings,
    drain_upstream,
    embed,
    generate,
    generate_stream,
    info,
    list_models,
    list_upstreams,
    live,
    metrics,
    ready,
    rerank,
    resume_upstream,
    root,
    tokenize_chat,
    tokenize_text,
]
