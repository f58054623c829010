"""A run: a request and its answer, kept only where the tenant consents, sealed with the key of the person who asked.

Nothing else can be run again word for word: a record without it holds a hash of the prompt. Erasing the person's key makes it
unreadable everywhere at once.
"""

from uuid import UUID

import msgspec

from db.repositories import people
from inference_gateway.ports import Run
from ops.runtime.crypto import SealBroken, seal, unseal, unwrap_key
from ops.runtime.logging import get_logger

log = get_logger(__name__)

MAX_RUN_BYTES = 2 * 1024 * 1024


class Runs:
    """Seals and opens runs."""

    def __init__(self, master_key: bytes) -> None:
        self._master_key = master_key

    async def sealed(self, run: Run, log_id: UUID, user_id: UUID) -> bytes | None:
        """Return the run for its record's row; None when it is very long or the person has no key (any more).

        Raises:
            DatabaseError
        """
        plain = msgspec.json.encode(run)
        key = await self._key(user_id)
        return seal(key, plain, b"inference run" + log_id.bytes) if key and len(plain) <= MAX_RUN_BYTES else None

    async def opened(self, sealed: bytes, log_id: UUID, user_id: UUID) -> Run | None:
        """Return the run; None when its person's key is gone, or it is not this record's.

        Raises:
            DatabaseError
        """
        key = await self._key(user_id)
        if key is None:
            return None
        try:
            return msgspec.json.decode(unseal(key, sealed, b"inference run" + log_id.bytes), type=Run)
        except (SealBroken, msgspec.DecodeError) as error:
            log.warning("run_unreadable", log_id=str(log_id), error=type(error).__name__)
            return None

    async def _key(self, user_id: UUID) -> bytes | None:
        wrapped = await people.data_key(user_id)
        return unwrap_key(self._master_key, wrapped, user_id.bytes) if wrapped else None
