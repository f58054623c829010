"""What identity holds in each process: keys, the cache of rights, and the environment it runs in."""

import hashlib
import hmac
from dataclasses import dataclass

from backend.identity.cache import RightsCache
from ops.runtime.crypto import AccessTokens, decode_key
from ops.runtime.redis import Redis
from ops.runtime.settings import Settings

TOKEN_ISSUER = "lyceum"  # noqa: S105 - a name, not a secret


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Opened once per process, in its lifespan."""

    environment: str
    base_url: str
    registration_domains: frozenset[str]
    access_tokens: AccessTokens
    refresh_key: bytes
    cookie_key: bytes
    master_key: bytes
    cache: RightsCache
    redis: Redis | None

    @property
    def is_development(self) -> bool:
        """Whether people may make their own accounts."""
        return self.environment == "development"


_runtime: Runtime | None = None


def open_identity(settings: Settings, redis: Redis | None) -> Runtime:
    """Prepare identity for this process; every process that changes rights passes its Redis, so that others notice.

    Raises:
        KeyInvalid: LYCEUM_SIGNING_KEY or LYCEUM_MASTER_KEY is not 32 bytes in base64.
    """
    global _runtime  # noqa: PLW0603 - one per process, as with the database's pool
    seed = decode_key(settings.signing_key)
    _runtime = Runtime(
        environment=settings.env,
        base_url=settings.base_url,
        registration_domains=settings.domains_of_registration,
        access_tokens=AccessTokens(seed, TOKEN_ISSUER),
        refresh_key=_derived(seed, b"refresh-successor"),
        cookie_key=_derived(seed, b"session-cookie"),
        master_key=decode_key(settings.master_key),
        cache=RightsCache(redis),
        redis=redis,
    )
    return _runtime


def close_identity() -> None:
    """Forget the keys."""
    global _runtime  # noqa: PLW0603 - see open_identity
    _runtime = None


def runtime() -> Runtime:
    """Return what `open_identity` prepared."""
    if _runtime is None:
        raise RuntimeError("open_identity has not been called in this process")
    return _runtime


def _derived(seed: bytes, purpose: bytes) -> bytes:
    return hmac.new(seed, b"lyceum " + purpose, hashlib.sha256).digest()
