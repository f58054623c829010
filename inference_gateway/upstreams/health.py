"""Asking an upstream how it is: `huggingface_hub` cannot, for a server given by its address."""

from http import HTTPStatus

import httpx2

from inference_gateway.errors import GenerationUnavailable
from inference_gateway.upstreams.transport import Connections


async def get_health(connections: Connections, *paths: str) -> None:
    """Return when the first of `paths` that the server knows answers with a success.

    Raises:
        GenerationUnavailable: it does not, or none of the paths exists.
    """
    for path in paths:
        try:
            async with connections.http() as http:
                response = await http.get(f"{connections.base_url}{path}", headers=connections.plain_headers())
        except httpx2.HTTPError as error:
            raise GenerationUnavailable(f"The generation server cannot be asked: {type(error).__name__}.") from None
        if response.status_code != HTTPStatus.NOT_FOUND:
            break
    if not response.is_success:
        raise GenerationUnavailable(f"The generation server's health check answers {response.status_code}.")
