"""Secrets of webhooks at rest: sealed with the master key, each bound to its row."""

from datetime import UTC, datetime
from uuid import UUID

from ops.runtime.crypto import decode_key, seal, unseal


class Secrets:
    """Seals and opens. The key is read when it is first needed, so that processes without webhooks need none."""

    def __init__(self, master_key: str) -> None:
        self._master_key = master_key

    def sealed(self, row_id: UUID, secret: bytes) -> bytes:
        """Return what is stored of the secret of that row."""
        return seal(decode_key(self._master_key), secret, _bound_to(row_id))

    def opened(
        self, row_id: UUID, secret: bytes, previous: bytes | None = None, previous_until: datetime | None = None
    ) -> list[bytes]:
        """Return the secrets that are good now: the row's, and the one before while its time lasts.

        Raises:
            SealBroken: the value is another row's, or sealed with another master key.
        """
        key = decode_key(self._master_key)
        sealed = [secret]
        if previous is not None and previous_until is not None and previous_until > datetime.now(UTC):
            sealed.append(previous)
        return [unseal(key, each, _bound_to(row_id)) for each in sealed]


def _bound_to(row_id: UUID) -> bytes:
    return b"webhook\x00" + row_id.bytes
