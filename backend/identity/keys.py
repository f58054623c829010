"""Each person's own key: what they write is sealed with it, and erasure destroys it."""

import time
from collections import OrderedDict

from backend.identity.errors import PersonKeyDestroyed
from backend.identity.runtime import runtime
from db.repositories import people
from ops.runtime.crypto import new_key, unwrap_key, wrap_key
from ops.runtime.ids import UserId

KNOWN_KEYS = 1024
KNOWN_SECONDS = 60.0

_known: OrderedDict[tuple[bytes, UserId], tuple[float, bytes]] = OrderedDict()


def new_wrapped_key(user_id: UserId) -> bytes:
    """Make the key of a new person, wrapped by the master key and bound to their id."""
    return wrap_key(runtime().master_key, new_key(), user_id.bytes)


async def person_key(user_id: UserId) -> bytes:
    """Return the 32 bytes to seal and unseal a person's texts with; a process remembers them for a minute.

    Raises:
        PersonKeyDestroyed: there is no such key (any more).
    """
    entry = (runtime().master_key, user_id)
    now = time.monotonic()
    held = _known.get(entry)
    if held is not None and held[0] > now:
        return held[1]
    wrapped = await people.data_key(user_id)
    if not wrapped:
        raise PersonKeyDestroyed(str(user_id))
    key = unwrap_key(runtime().master_key, wrapped, user_id.bytes)
    _known[entry] = (now + KNOWN_SECONDS, key)
    _known.move_to_end(entry)
    if len(_known) > KNOWN_KEYS:
        _known.popitem(last=False)
    return key
