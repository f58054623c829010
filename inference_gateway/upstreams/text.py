"""`/v1/completions` of an OpenAI-compatible server, for raw prompts: `huggingface_hub` has no call for it."""

from collections.abc import AsyncGenerator

import msgspec

from inference_gateway.adapters.names import served_as
from inference_gateway.contract import ChatDelta, ChatRequest
from inference_gateway.errors import RequestRefused
from inference_gateway.events import event_data
from inference_gateway.upstreams.chunks import END, text_delta_of
from inference_gateway.upstreams.faults import by_status, upstream_faults
from inference_gateway.upstreams.transport import Connections


async def stream_text(connections: Connections, request: ChatRequest, model: str) -> AsyncGenerator[ChatDelta, None]:
    """Stream the continuation of `request.prompt`; raises as `Upstream.stream` does."""
    if request.json_schema is not None:
        raise RequestRefused("This generation server holds only conversations to a schema.", pointer="/grammar")
    url = f"{connections.base_url}/v1/completions"
    headers = {**connections.plain_headers(), "content-type": "application/json"}
    with upstream_faults():
        async with (
            connections.http() as http,
            http.stream("POST", url, content=_body(request, model), headers=headers) as response,
        ):
            if not response.is_success:
                raise by_status(response)
            async for event in event_data(response.aiter_bytes()):
                if event == END:
                    return
                yield text_delta_of(event, model)


def _body(request: ChatRequest, model: str) -> bytes:
    wanted = {
        "model": served_as(request.adapter) or model,
        "prompt": request.prompt,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": request.stop or None,
        "seed": request.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return msgspec.json.encode({name: value for name, value in wanted.items() if value is not None})
