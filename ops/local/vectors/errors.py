"""Refusals, with the HTTP status Qdrant gives them."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus


class RefusedError(Exception):
    """A request that cannot be carried out; `status` is the HTTP status of the answer."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def bad_request(message: str) -> RefusedError:
    """Return the refusal of a request that makes no sense as sent."""
    return RefusedError(HTTPStatus.BAD_REQUEST, f"Wrong input: {message}")


def unsupported(what: str) -> RefusedError:
    """Return the refusal of a part of Qdrant's API that this server does not speak."""
    return bad_request(f"{what} is not supported by the local vector server")


def collection_not_found(name: str) -> RefusedError:
    """Return the refusal of a name that is neither a collection nor an alias."""
    return RefusedError(HTTPStatus.NOT_FOUND, f"Not found: Collection `{name}` doesn't exist!")


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turn what the engine raises into refusals. It has one class for all, so the text has to tell them apart."""
    try:
        yield
    except RefusedError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise bad_request(str(error).splitlines()[0]) from error
    except Exception as error:
        message = str(error)
        if message.startswith("No point with id"):
            raise RefusedError(HTTPStatus.NOT_FOUND, f"Not found: {message}") from error
        if message.startswith("Service"):
            raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, message) from error
        raise bad_request(message) from error
