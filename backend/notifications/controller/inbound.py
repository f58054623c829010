"""Where other systems send their messages."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from backend.kit.http import public
from backend.notifications import inbound, sources
from backend.notifications.inbound import MAX_BODY_BYTES, Signed
from backend.notifications.schemas import Received


class InboundController(Controller):
    path = sources.ADDRESS
    tags = ("webhooks",)

    @post(
        "/{source_id:uuid}",
        opt=public(request_class="messages"),
        status_code=HTTP_200_OK,
        request_max_body_size=MAX_BODY_BYTES,
    )
    async def receive_message(self, source_id: FromPath[UUID], request: Request[Any, Any, Any]) -> Received:
        """Take a message: JSON of at most 64 KiB, signed as Standard Webhooks asks for it.

        Its three headers are `webhook-id`, `webhook-timestamp` and `webhook-signature`. A message that was taken before is
        answered 200 and does nothing more. It becomes an event `inbound.<name of the source>`.
        """
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        message_id, timestamp, signature = (request.headers.get(name, "") for name in names)
        message = Signed(message_id, timestamp, signature, await request.body())
        return await inbound.receive(request.app.state.webhook_secrets, source_id, message)
