"""Signed tokens: EdDSA access tokens of people (RFC 9068), HS256 tokens between Lyceum's own processes."""

import base64
import hashlib
import hmac
import time
from collections import OrderedDict
from typing import Generic, TypeVar
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ops.runtime.ids import SessionId, TenantId, UserId

ACCESS_TYPE = "at+jwt"
SERVICE_TYPE = "svc+jwt"
AUDIENCE = "lyceum"
SERVICE_ISSUER = "lyceum-service"
SERVICE_LIFETIME_SECONDS = 60
CLOCK_SKEW_SECONDS = 5
VERIFIED_CACHE_SIZE = 4096
MAX_TOKEN_CHARACTERS = 4096


class TokenInvalid(Exception):
    """A token is malformed, signed by someone else, or made for another purpose."""


class TokenExpired(TokenInvalid):
    """A token was good and its time is over."""


class AccessClaims(msgspec.Struct, frozen=True, kw_only=True):
    """Whom an access token speaks for; `epoch` is the authority epoch of the person when it was issued."""

    user_id: UserId
    tenant_id: TenantId
    session_id: SessionId
    epoch: int


class ServiceClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What one process may ask of another, and in whose name."""

    tenant_id: UUID | None
    user_id: UUID | None
    purpose: str
    adapter_hash: str = ""
    course_id: UUID | None = None


class _AccessPayload(msgspec.Struct, frozen=True, kw_only=True):
    iss: str
    aud: str
    iat: int
    exp: int
    sub: UUID
    tid: UUID
    sid: UUID
    epoch: int


class _ServicePayload(msgspec.Struct, frozen=True, kw_only=True):
    iss: str
    aud: str
    iat: int
    exp: int
    sub: str
    tid: UUID | None
    uid: UUID | None
    ada: str
    cid: UUID | None = None


P = TypeVar("P", _AccessPayload, _ServicePayload)
C = TypeVar("C", AccessClaims, ServiceClaims)


class _Verified(Generic[C]):
    """Claims of tokens that were verified, by a hash of the token, each until it ends; the oldest give way."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[int, C]] = OrderedDict()

    def find(self, token: str) -> C | None:
        """Return the claims, or None; raises `TokenExpired` when the token has ended meanwhile."""
        fingerprint = _fingerprint(token)
        if (known := self._known.get(fingerprint)) is None:
            return None
        ends_at, claims = known
        if ends_at <= time.time():
            del self._known[fingerprint]
            raise TokenExpired("the token has ended")
        self._known.move_to_end(fingerprint)
        return claims

    def keep(self, token: str, claims: C, ends_at: int) -> None:
        """Remember a token that holds until `ends_at`."""
        self._known[_fingerprint(token)] = (ends_at, claims)
        if len(self._known) > VERIFIED_CACHE_SIZE:
            self._known.popitem(last=False)


class AccessTokens:
    """Issues and verifies access tokens with one Ed25519 key, whose thumbprint is the `kid`."""

    def __init__(self, seed: bytes, issuer: str) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._private.public_key()
        raw = self._public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()[:12]).decode()
        self._issuer = issuer
        self._verified: _Verified[AccessClaims] = _Verified()

    def issue(self, claims: AccessClaims, lifetime_seconds: int) -> str:
        """Return a signed token that ends `lifetime_seconds` from now."""
        now = int(time.time())
        payload = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + lifetime_seconds,
            "sub": str(claims.user_id),
            "tid": str(claims.tenant_id),
            "sid": str(claims.session_id),
            "epoch": claims.epoch,
        }
        return jwt.encode(payload, self._private, algorithm="EdDSA", headers={"kid": self.key_id, "typ": ACCESS_TYPE})

    def verify(self, token: str) -> AccessClaims:
        """Return the claims of a token of ours; a token verified before costs a hash and a look-up until it ends.

        Raises:
            TokenExpired: its time is over.
            TokenInvalid: anything else is wrong with it.
        """
        if (known := self._verified.find(token)) is not None:
            return known
        payload = self._decode(token)
        claims = AccessClaims(
            user_id=UserId(payload.sub),
            tenant_id=TenantId(payload.tid),
            session_id=SessionId(payload.sid),
            epoch=payload.epoch,
        )
        self._verified.keep(token, claims, payload.exp)
        return claims

    def _decode(self, token: str) -> _AccessPayload:
        header = _header(token, ACCESS_TYPE)
        if not hmac.compare_digest(str(header.get("kid", "")), self.key_id):
            raise TokenInvalid("signed with a key that is not ours")
        return _payload(token, self._public, "EdDSA", self._issuer, _AccessPayload)


class ServiceTokens:
    """Tokens between Lyceum's processes: symmetric, 60 seconds, for one purpose."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._verified: _Verified[ServiceClaims] = _Verified()

    def issue(self, claims: ServiceClaims) -> str:
        """Return a token that ends in 60 seconds."""
        now = int(time.time())
        payload = {
            "iss": SERVICE_ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + SERVICE_LIFETIME_SECONDS,
            "sub": claims.purpose,
            "tid": str(claims.tenant_id) if claims.tenant_id else None,
            "uid": str(claims.user_id) if claims.user_id else None,
            "ada": claims.adapter_hash,
            "cid": str(claims.course_id) if claims.course_id else None,
        }
        return jwt.encode(payload, self._key, algorithm="HS256", headers={"typ": SERVICE_TYPE})

    def verify(self, token: str, purpose: str) -> ServiceClaims:
        """Return the claims of a token made for `purpose`; one verified before costs a hash and a look-up until it ends.

        Raises:
            TokenExpired: its 60 seconds (and 5 of clock skew) are over.
            TokenInvalid: anything else is wrong with it, its purpose included.
        """
        claims = self._verified.find(token) or self._decode(token)
        if not hmac.compare_digest(claims.purpose.encode(), purpose.encode()):
            raise TokenInvalid("made for another purpose")
        return claims

    def _decode(self, token: str) -> ServiceClaims:
        _header(token, SERVICE_TYPE)
        payload = _payload(token, self._key, "HS256", SERVICE_ISSUER, _ServicePayload, leeway=CLOCK_SKEW_SECONDS)
        claims = ServiceClaims(
            tenant_id=payload.tid,
            user_id=payload.uid,
            purpose=payload.sub,
            adapter_hash=payload.ada,
            course_id=payload.cid,
        )
        self._verified.keep(token, claims, payload.exp + CLOCK_SKEW_SECONDS)
        return claims


def _fingerprint(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _header(token: str, expected_type: str) -> dict[str, object]:
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise TokenInvalid("too long")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as error:
        raise TokenInvalid("not a token") from error
    if header.get("typ") != expected_type:
        raise TokenInvalid("a token of another kind")
    return header


def _payload(
    token: str, key: Ed25519PublicKey | bytes, algorithm: str, issuer: str, kind: type[P], leeway: int = 0
) -> P:
    try:
        payload = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            audience=AUDIENCE,
            leeway=leeway,
            options={"require": ["iss", "aud", "iat", "exp", "sub"]},
        )
        return msgspec.convert(payload, kind)
    except jwt.ExpiredSignatureError as error:
        raise TokenExpired("the token has ended") from error
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
        raise TokenInvalid("the token does not hold") from error
