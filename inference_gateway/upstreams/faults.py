"""What an upstream can do wrong, told in the gateway's own errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import httpx2
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, OverloadedError, TextGenerationError
from huggingface_hub.errors import ValidationError as TextGenerationRefused

from inference_gateway.errors import (
    GatewayError,
    GenerationUnavailable,
    RequestRefused,
    UpstreamBroken,
    UpstreamOverloaded,
    UpstreamTimeout,
)

RETRY_AFTER_SECONDS = 2
_REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
_NOT_READY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


@contextmanager
def upstream_faults() -> Iterator[None]:
    """Turn what `huggingface_hub` and its HTTP client raise into `GatewayError`s; their texts are not passed on."""
    try:
        yield
    except HfHubHTTPError as error:
        raise by_status(error.response) from None
    except OverloadedError:
        raise UpstreamOverloaded(retry_after_seconds=RETRY_AFTER_SECONDS) from None
    except TextGenerationRefused:
        raise RequestRefused("The generation server refuses this request.") from None
    except TextGenerationError as error:
        if isinstance(error.__cause__, HfHubHTTPError):
            raise by_status(error.__cause__.response) from None
        raise UpstreamBroken("The generation server reports an error of its own.") from None
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
        raise GenerationUnavailable(
            f"The generation server cannot be reached: {type(error).__name__}.", retry_after_seconds=RETRY_AFTER_SECONDS
        ) from None
    except InferenceTimeoutError as error:
        raise _timeout(error) from None
    except (httpx2.HTTPError, httpx2.StreamError) as error:
        raise UpstreamBroken(f"The generation server broke off: {type(error).__name__}.") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UpstreamBroken(f"The generation server's answer cannot be read: {type(error).__name__}.") from None


def text_of(piece: object) -> str:
    """Return a piece of the answer; the library checks no types."""
    if piece is None:
        return ""
    if isinstance(piece, str):
        return piece
    raise UpstreamBroken("The generation server's answer cannot be read: a piece is not text.")


def by_status(response: httpx2.Response) -> GatewayError:
    """Return what an answer other than 200 means."""
    return of_status(response.status_code, response.headers.get("retry-after", ""))


def of_status(
    status: int,
    retry_after: str,
    server: str = "The generation server",
    unavailable: type[GatewayError] = GenerationUnavailable,
) -> GatewayError:
    """Return what a status other than 200 means; `retry_after` is the header, or empty."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = int(retry_after) if retry_after.isdigit() else RETRY_AFTER_SECONDS
        return UpstreamOverloaded(f"{server} has too much to do.", retry_after_seconds=max(seconds, 1))
    if status in _REFUSED:
        return RequestRefused(f"{server} refuses this request ({status}).")
    if status in _NOT_READY:
        return unavailable(f"{server} answers {status}.", retry_after_seconds=RETRY_AFTER_SECONDS)
    return UpstreamBroken(f"{server} answers {status}.")


def _timeout(error: InferenceTimeoutError) -> GatewayError:
    if isinstance(error.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return GenerationUnavailable(
            "The generation server cannot be reached in time.", retry_after_seconds=RETRY_AFTER_SECONDS
        )
    return UpstreamTimeout("The generation server gave no answer in time.")
