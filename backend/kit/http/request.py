"""Reading a JSON body: strictly typed at once, so that no coercion happens and each fault has an exact pointer."""

import re
from typing import Any

import msgspec
from litestar import Request
from litestar.types import Empty

from backend.errors import MalformedBody, UnsupportedMediaType, ValidationFailed
from backend.kit.pointers import from_message, unstorable

_SUSPECT = re.compile(rb"\\u0000|[0-9]{19}")


class LyceumRequest(Request[Any, Any, Any]):
    """Litestar's request, whose `json()` decodes into the type its handler declares for `data`."""

    async def json(self) -> Any:
        """Return the body as the handler's struct.

        Raises:
            UnsupportedMediaType: the body is not announced as JSON.
            MalformedBody: it is not JSON, not UTF-8, or nested too deeply.
            ValidationFailed: it is not what the handler takes; with a JSON pointer.
        """
        state = self._connection_state
        if state.json is Empty:
            media_type = self.content_type[0]
            if media_type != "application/json" and not media_type.endswith("+json"):
                raise UnsupportedMediaType("Send the body as application/json.")
            state.json = decode_body(await self.body(), self._declared_type())
        return state.json

    def _declared_type(self) -> Any:
        field = self.route_handler.parsed_data_field
        return Any if field is None else field.annotation


def decode_body(body: bytes, kind: Any) -> Any:
    """Decode JSON into `kind` without coercion; for the exceptions see `LyceumRequest.json`."""
    try:
        if _SUSPECT.search(body) and (wrong := unstorable(msgspec.json.decode(body))):
            raise ValidationFailed("The body holds what cannot be stored.", errors=wrong)
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise ValidationFailed(
            "The body does not have the form asked for.", errors=[from_message(str(error))]
        ) from error
    except msgspec.DecodeError as error:
        raise MalformedBody(f"{error}.") from error
    except UnicodeDecodeError as error:
        raise MalformedBody("The body is not valid UTF-8.") from error
    except RecursionError as error:
        raise MalformedBody("The body is nested too deeply.") from error
