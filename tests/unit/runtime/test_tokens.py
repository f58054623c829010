import time
from uuid import uuid4

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ops.runtime import tokens
from ops.runtime.crypto import AccessClaims, AccessTokens, ServiceClaims, ServiceTokens, TokenExpired, TokenInvalid
from ops.runtime.ids import SessionId, TenantId, UserId

SEED = b"s" * 32
ISSUER = "https://tutor.example"


def claims(epoch: int = 1) -> AccessClaims:
    return AccessClaims(
        user_id=UserId(uuid4()), tenant_id=TenantId(uuid4()), session_id=SessionId(uuid4()), epoch=epoch
    )


def payload(**changes: object) -> dict[str, object]:
    now = int(time.time())
    good: dict[str, object] = {
        "iss": ISSUER, "aud": "lyceum", "iat": now, "exp": now + 60,
        "sub": str(uuid4()), "tid": str(uuid4()), "sid": str(uuid4()), "epoch": 1,
    }  # fmt: skip
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def sign(content: dict[str, object], seed: bytes = SEED, **header: object) -> str:
    headers = {"kid": AccessTokens(SEED, ISSUER).key_id, "typ": "at+jwt", **header}
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return jwt.api_jws.encode(msgspec.json.encode(content), private, algorithm="EdDSA", headers=headers)


def test_hand_made_token_of_the_right_form_is_accepted() -> None:
    assert AccessTokens(SEED, ISSUER).verify(sign(payload())).epoch == 1


@given(st.integers(0, 2**31))
def test_claims_survive_the_journey(epoch: int) -> None:
    access = AccessTokens(SEED, ISSUER)
    issued = claims(epoch)
    token = access.issue(issued, 300)
    assert AccessTokens(SEED, ISSUER).verify(token) == issued
    assert access.verify(token) == access.verify(token) == issued


@pytest.mark.parametrize(
    "token",
    [
        sign(payload(iss="https://elsewhere.example")),
        sign(payload(iss=[ISSUER])),
        sign(payload(aud="other")),
        sign(payload(aud=["lyceum"])),
        sign(payload(exp=None)),
        sign(payload(iat=None)),
        sign(payload(sub=None)),
        sign(payload(sub="not-a-uuid")),
        sign(payload(epoch="1")),
        sign(payload(), typ="svc+jwt"),
        sign(payload(), typ="JWT"),
        sign(payload(), kid="other"),
        sign(payload(), seed=b"x" * 32),
        jwt.encode(payload(), "k" * 32, algorithm="HS256", headers={"kid": AccessTokens(SEED, ISSUER).key_id, "typ": "at+jwt"}),
        jwt.encode(payload(), "", algorithm="none", headers={"kid": AccessTokens(SEED, ISSUER).key_id, "typ": "at+jwt"}),
        "",
        "a.b.c",
        "ü.ü.ü",
        "\ud800",
        "x" * 5000,
    ],
)  # fmt: skip
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(TokenInvalid):
        AccessTokens(SEED, ISSUER).verify(token)


def test_verified_token_ends_on_time(monkeypatch: pytest.MonkeyPatch) -> None:
    access = AccessTokens(SEED, ISSUER)
    token = access.issue(claims(), 60)
    access.verify(token)
    later = time.time() + 61
    monkeypatch.setattr("ops.runtime.tokens.time.time", lambda: later)
    with pytest.raises(TokenExpired):
        access.verify(token)


def test_old_token_is_refused_at_first_sight() -> None:
    access = AccessTokens(SEED, ISSUER)
    with pytest.raises(TokenExpired):
        access.verify(access.issue(claims(), -1))


def test_cache_of_verified_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "VERIFIED_CACHE_SIZE", 3)
    access = AccessTokens(SEED, ISSUER)
    issued = [access.issue(claims(), 60) for _ in range(10)]
    for token in issued:
        access.verify(token)
    assert len(access._verified._known) == 3
    assert access.verify(issued[0])


def test_service_token_serves_one_purpose() -> None:
    service = ServiceTokens(SEED)
    issued = ServiceClaims(tenant_id=uuid4(), user_id=None, purpose="embed", adapter_hash="abc")
    token = service.issue(issued)
    assert service.verify(token, "embed") == issued
    with pytest.raises(TokenInvalid):
        service.verify(token, "generate")
    with pytest.raises(TokenInvalid):
        ServiceTokens(b"o" * 32).verify(token, "embed")
    with pytest.raises(TokenInvalid):
        service.verify(AccessTokens(SEED, ISSUER).issue(claims(), 60), "embed")


def test_service_token_ends_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    service = ServiceTokens(SEED)
    now = time.time()
    monkeypatch.setattr("ops.runtime.tokens.time.time", lambda: now - 66)
    token = service.issue(ServiceClaims(tenant_id=None, user_id=None, purpose="embed"))
    with pytest.raises(TokenExpired):
        service.verify(token, "embed")


def test_a_service_token_seen_before_ends_on_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    service = ServiceTokens(SEED)
    token = service.issue(ServiceClaims(tenant_id=None, user_id=None, purpose="embed"))
    now = time.time()
    for seconds, good in ((0, True), (64, True), (66, False)):
        monkeypatch.setattr("ops.runtime.tokens.time.time", lambda at=now + seconds: at)
        if good:
            assert service.verify(token, "embed")
        else:
            with pytest.raises(TokenExpired):
                service.verify(token, "embed")


def test_a_service_token_seen_before_serves_one_purpose_still() -> None:
    service = ServiceTokens(SEED)
    token = service.issue(ServiceClaims(tenant_id=None, user_id=None, purpose="embed"))
    for _ in range(2):
        assert service.verify(token, "embed")
        with pytest.raises(TokenInvalid):
            service.verify(token, "generate")
