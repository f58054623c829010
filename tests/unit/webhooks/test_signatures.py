"""Signatures, with the vector that the Standard Webhooks libraries publish."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.notifications.signatures import (
    WINDOW_SECONDS,
    SecretInvalid,
    SignatureInvalid,
    SignatureLate,
    new_secret,
    secret_bytes,
    secret_text,
    sign,
    signed_headers,
    verify,
)

# github.com/standard-webhooks/standard-webhooks, libraries/python/tests and others (MIT)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def check(signature: str, *, now: float = TIMESTAMP, body: bytes = BODY, message_id: str = MESSAGE_ID) -> None:
    verify([secret_bytes(SECRET)], message_id, str(TIMESTAMP), signature, body, now=now)


def test_the_published_vector() -> None:
    assert sign(secret_bytes(SECRET), MESSAGE_ID, TIMESTAMP, BODY) == SIGNATURE
    check(SIGNATURE)


def test_it_is_the_hmac_of_the_specification() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{MESSAGE_ID}.{TIMESTAMP}.{BODY.decode()}".encode()
    assert "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() == SIGNATURE


def test_one_of_several_signatures_is_enough() -> None:
    check(f"v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,xyz {SIGNATURE}")


@pytest.mark.parametrize(
    "signature",
    ["", "v1", "v1,", SIGNATURE.removeprefix("v1,"), SIGNATURE.replace("v1", "v1a"), SIGNATURE[:-4], "v1,\u00e9"],
)
def test_what_does_not_fit_is_refused(signature: str) -> None:
    with pytest.raises(SignatureInvalid):
        check(signature)


def test_id_and_body_are_signed() -> None:
    for wrong in ({"body": BODY + b" "}, {"message_id": MESSAGE_ID + "x"}):
        with pytest.raises(SignatureInvalid):
            check(SIGNATURE, **wrong)


@pytest.mark.parametrize("timestamp", ["", "x", "-1", "1e9", "١٦١٤٢٦٥٣٣٠", "9" * 400, f"{TIMESTAMP}.0"])
def test_a_time_that_is_none_is_refused(timestamp: str) -> None:
    with pytest.raises(SignatureInvalid):
        verify([secret_bytes(SECRET)], MESSAGE_ID, timestamp, SIGNATURE, BODY, now=TIMESTAMP)


@pytest.mark.parametrize("away", [WINDOW_SECONDS, -WINDOW_SECONDS])
def test_five_minutes_either_way(away: int) -> None:
    check(SIGNATURE, now=TIMESTAMP + away)
    with pytest.raises(SignatureLate):
        check(SIGNATURE, now=TIMESTAMP + away + (1 if away > 0 else -1))


@given(st.binary(max_size=200), st.integers(0, 2**40))
def test_what_is_signed_with_two_secrets_fits_either(body: bytes, timestamp: int) -> None:
    old, new = new_secret(), new_secret()
    headers = signed_headers([new, old], "msg_1", timestamp, body)
    for secret in (old, new):
        verify([secret], "msg_1", headers["webhook-timestamp"], headers["webhook-signature"], body, now=timestamp)
    with pytest.raises(SignatureInvalid):
        verify([new_secret()], "msg_1", str(timestamp), headers["webhook-signature"], body, now=timestamp)


def test_secrets_have_their_form() -> None:
    secret = new_secret()
    assert secret_bytes(secret_text(secret)) == secret
    for wrong in (
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_!!",
        "whsec_" + "A" * 20,
        "whsec_" + "A" * 100,
    ):
        with pytest.raises(SecretInvalid):
            secret_bytes(wrong)
