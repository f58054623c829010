"""Idempotency keys: a creating request that is repeated with its `Idempotency-Key` gets the first answer again.

The key belongs to a person and an address; it is kept for 24 hours. An answer of 400 or more frees it, unless it is a fault
of ours after something was done. Answers that hold secrets or what a person may read are not kept: see
`Access.stores_answer`. What happens to a key whose process died before it answered stands in `db.repositories.idempotency`.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from backend.errors import (
    IdempotencyKeyReused,
    InputError,
    RequestCarriedOut,
    RequestStillRunning,
    ValidationFailed,
)
from db.acts import TakenKey, taken_key
from db.errors import DatabaseError
from db.repositories import idempotency as repository
from db.repositories.idempotency import CarriedOut, StoredAnswer
from ops.runtime.ids import UserId
from ops.runtime.logging import get_logger

log = get_logger(__name__)

Message = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]

SERVICE_UNAVAILABLE = 503
KEPT_HEADERS = frozenset({b"content-type", b"location"})
RETRY_SECONDS = 1

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class AnsweredBefore(Exception):
    """The request was answered before; `answer` is what was said."""

    def __init__(self, answer: StoredAnswer) -> None:
        super().__init__("answered before")
        self.answer = answer


class PendingAnswer:
    """A key that was taken for the request at hand, and the recorder of its answer (of its `Location` without body)."""

    def __init__(self, key: str, user_id: UserId, route: str, *, keeps_body: bool = True) -> None:
        self._key = key
        self._user_id = user_id
        self._route = route
        self._keeps_body = keeps_body
        self._start: Message | None = None

    async def record(self, message: Message, send: Send) -> None:
        """Pass one ASGI message on; the answer is stored before its last byte leaves. A streamed answer is not kept."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self._start is not None:
            start, self._start = self._start, None
            await self._settle(start, message)
            await send(start)
        await send(message)

    async def _settle(self, start: Message, message: Message) -> None:
        try:
            status = start["status"]
            if status >= 400 or message.get("more_body", False):
                # 503 asks for the repetition; any other fault of ours leaves open how far the request came.
                asks_again = status < 500 or status == SERVICE_UNAVAILABLE
                await repository.forget(self._key, self._user_id, self._route, even_if_done=asks_again)
            else:
                kept = {
                    name.decode(): value.decode() for name, value in start["headers"] if name.lower() in KEPT_HEADERS
                }
                body = bytes(message.get("body", b"")) if self._keeps_body else b""
                await repository.finish(self._key, self._user_id, self._route, start["status"], kept, body)
        except DatabaseError as error:
            log.warning("idempotent_answer_not_kept", error=type(error).__name__)


async def begin(key: str, user_id: UserId, route: str, body: bytes, *, keeps_body: bool = True) -> PendingAnswer:
    """Take `key` for a request to `route` (method and path) with `body`.

    Raises:
        AnsweredBefore: the same request was answered; answer the same.
        RequestStillRunning: the same request is being worked on.
        RequestCarriedOut: the same request did its work, and the process died before it answered.
        IdempotencyKeyReused: the key was used with another body.
        ValidationFailed: the key is not 1 to 255 visible ASCII characters.
    """
    if not _KEY.fullmatch(key):
        wrong = InputError(pointer="/Idempotency-Key", detail="1 to 255 visible ASCII characters.", location="header")
        raise ValidationFailed("The idempotency key cannot be used.", errors=[wrong])
    begun = await repository.begin(key, user_id, route, hashlib.sha256(body).digest())
    if isinstance(begun, StoredAnswer):
        raise AnsweredBefore(begun)
    if isinstance(begun, CarriedOut):
        raise RequestCarriedOut(_told(begun))
    if begun == "running":
        raise RequestStillRunning(retry_after_seconds=RETRY_SECONDS)
    if begun == "other-body":
        raise IdempotencyKeyReused
    taken_key.set(TakenKey(user_id=user_id, route=route, key=key))
    return PendingAnswer(key, user_id, route, keeps_body=keeps_body)


def _told(done: CarriedOut) -> str:
    """Name what was done by its audit actions and the ids in them, e.g. `course.created (course_id 1b4e…)`."""
    acts = []
    for act in done.acts:
        ids = [f"{name} {value}" for name, value in act.metadata.items() if name.endswith("_id") and value is not None]
        acts.append(f"{act.action} ({', '.join(ids)})" if ids else act.action)
    return f"The request was carried out, but its answer was lost: {'; '.join(acts)}."
