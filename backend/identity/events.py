"""The events about people: ids alone, for names and addresses are asked for by whoever may read them."""

from typing import Final

import msgspec

from db.events import EventKind
from ops.runtime.ids import UserId


class UserEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Whom it is about."""

    user_id: UserId


USER_CREATED: Final = EventKind(name="user.created", version=1, payload=UserEvent)
USER_DISABLED: Final = EventKind(name="user.disabled", version=1, payload=UserEvent)
