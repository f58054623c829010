"""Keys and sealed values: AES-256-GCM envelopes, hashed random tokens. Signed tokens: `ops.runtime.tokens`."""

import base64
import binascii
import hashlib
import os
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ops.runtime.tokens import (
    AccessClaims,
    AccessTokens,
    ServiceClaims,
    ServiceTokens,
    TokenExpired,
    TokenInvalid,
)

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
VERSION = b"\x01"

__all__ = [
    "AccessClaims",
    "AccessTokens",
    "KeyInvalid",
    "SealBroken",
    "ServiceClaims",
    "ServiceTokens",
    "TokenExpired",
    "TokenInvalid",
    "decode_key",
    "derived_key",
    "new_key",
    "new_token",
    "seal",
    "token_hash",
    "unseal",
    "unwrap_key",
    "wrap_key",
]


class KeyInvalid(ValueError):
    """A text is not the base64 form of 32 bytes."""


class SealBroken(Exception):
    """A sealed value was altered, belongs to another record, or was sealed with another key."""


def decode_key(text: str) -> bytes:
    """Return the 32 bytes that `text` holds in base64, standard or URL-safe, padded or not.

    Raises:
        KeyInvalid: anything else; the message does not repeat the text.
    """
    stripped = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyInvalid("a key must be base64") from error
    if len(key) != KEY_BYTES:
        raise KeyInvalid(f"a key must be {KEY_BYTES} bytes in base64, not {len(key)}")
    return key


def new_key() -> bytes:
    """Return 32 random bytes."""
    return os.urandom(KEY_BYTES)


def derived_key(key: bytes, purpose: bytes) -> bytes:
    """Return the key for one purpose (HKDF-SHA256, RFC 5869): what it signs or seals is worth nothing for another."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)


def seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt with AES-256-GCM (NIST SP 800-38D) and bind the result to `associated`, e.g. the record's id.

    Returns a version byte, a random nonce of 12 bytes, the ciphertext and its tag of 16 bytes.
    """
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + AESGCM(key).encrypt(nonce, plaintext, VERSION + associated)


def unseal(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Return the plaintext of `seal`.

    Raises:
        SealBroken: the value, the key or `associated` is not the one that was sealed.
    """
    if len(sealed) < 1 + NONCE_BYTES + TAG_BYTES or sealed[:1] != VERSION:
        raise SealBroken("not a sealed value")
    nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, VERSION + associated)
    except InvalidTag as error:
        raise SealBroken("the seal does not hold") from error


def wrap_key(master: bytes, key: bytes, associated: bytes) -> bytes:
    """Seal a person's key under the master key."""
    return seal(master, key, b"key\x00" + associated)


def unwrap_key(master: bytes, wrapped: bytes, associated: bytes) -> bytes:
    """Return the key of `wrap_key`; raises `SealBroken` as `unseal` does."""
    return unseal(master, wrapped, b"key\x00" + associated)


def token_hash(token: str) -> bytes:
    """Return the SHA-256 under which a random token is stored; no salt, since the token itself has 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    """Return 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(KEY_BYTES)
