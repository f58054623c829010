"""The access-token check both peers share: the product's own rules, with PyJWT, and verified tokens remembered until they end.

Runs in the peers' environments; imports nothing of the product. What is accepted comes by environment:
BENCH_TOKEN_KEY (PEM of the public key), BENCH_TOKEN_ISSUER, BENCH_TOKEN_AUDIENCE.
"""

import os
import time

import jwt

KEY = os.environ["BENCH_TOKEN_KEY"]
ISSUER = os.environ["BENCH_TOKEN_ISSUER"]
AUDIENCE = os.environ["BENCH_TOKEN_AUDIENCE"]
REMEMBERED = 10_000

_verified: dict[str, dict] = {}


def verify(header: str) -> dict:
    """Return the claims of an `Authorization` header; raises jwt.InvalidTokenError."""
    token = header.removeprefix("Bearer ")
    claims = _verified.get(token)
    if claims is None:
        claims = jwt.decode(
            token,
            KEY,
            algorithms=["EdDSA"],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
        if len(_verified) < REMEMBERED:
            _verified[token] = claims
    elif claims["exp"] <= time.time():
        del _verified[token]
        raise jwt.ExpiredSignatureError
    return claims
