"""Signatures of the Standard Webhooks specification (standardwebhooks.com): HMAC-SHA256 over id, time and body."""

import base64
import binascii
import hashlib
import hmac
import os
import time
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
SECRET_SIZES: Final = range(24, 65)
WINDOW_SECONDS: Final = 300
VERSION: Final = "v1"


class SecretInvalid(ValueError):
    """A text is no secret: `whsec_` and 24 to 64 bytes in base64."""


class SignatureInvalid(Exception):
    """A message was not signed with any of the secrets, or its headers cannot be read."""


class SignatureLate(SignatureInvalid):
    """The signature fits, and its time lies more than five minutes from now."""


def new_secret() -> bytes:
    """Return 32 random bytes."""
    return os.urandom(SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """Return the form in which people get a secret."""
    return PREFIX + base64.b64encode(secret).decode()


def secret_bytes(text: str) -> bytes:
    """Return the bytes of `secret_text`; raises `SecretInvalid`, whose message does not repeat the text."""
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretInvalid("not base64") from error
    if not text.startswith(PREFIX) or len(secret) not in SECRET_SIZES:
        raise SecretInvalid("not whsec_ and 24 to 64 bytes")
    return secret


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature, e.g. ``v1,g0hM9SsE…``."""
    digest = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"{VERSION},{base64.b64encode(digest).decode()}"


def signed_headers(secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a message, signed with each secret that is good at the moment."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, message_id, timestamp, body) for secret in secrets),
    }


def verify(
    secrets: Sequence[bytes], message_id: str, timestamp: str, signature: str, body: bytes, *, now: float | None = None
) -> None:
    """Check a message. Every signature is compared with every secret, so that the time taken tells nothing.

    Raises:
        SignatureInvalid: no signature fits. SignatureLate: one does, but it is too old or from the future.
    """
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= len(str(2**53))):
        raise SignatureInvalid("the time is no number of seconds")
    expected = [sign(secret, message_id, int(timestamp), body).encode() for secret in secrets]
    given = [one.encode() for one in signature.split(" ")]
    fits = sum(hmac.compare_digest(one, right) for one in given for right in expected)
    if not fits:
        raise SignatureInvalid("no signature fits")
    if abs((time.time() if now is None else now) - int(timestamp)) > WINDOW_SECONDS:
        raise SignatureLate("signed more than five minutes from now")
