import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.runtime.crypto import (
    KeyInvalid,
    SealBroken,
    decode_key,
    new_key,
    new_token,
    seal,
    token_hash,
    unseal,
    unwrap_key,
    wrap_key,
)

keys = st.binary(min_size=32, max_size=32)


@given(key=keys, plaintext=st.binary(max_size=2000), associated=st.binary(max_size=64))
def test_unseal_returns_what_was_sealed(key: bytes, plaintext: bytes, associated: bytes) -> None:
    assert unseal(key, seal(key, plaintext, associated), associated) == plaintext


@given(key=keys, plaintext=st.binary(max_size=200), position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_any_changed_bit_breaks_the_seal(key: bytes, plaintext: bytes, position: int, bit: int) -> None:
    sealed = bytearray(seal(key, plaintext, b"record"))
    sealed[position % len(sealed)] ^= 1 << bit
    with pytest.raises(SealBroken):
        unseal(key, bytes(sealed), b"record")


@given(key=keys, cut=st.integers(0, 28))
def test_truncated_value_breaks_the_seal(key: bytes, cut: int) -> None:
    with pytest.raises(SealBroken):
        unseal(key, seal(key, b"", b"")[:cut], b"")


@given(key=keys, other=keys, associated=st.binary(max_size=20), foreign=st.binary(max_size=20))
def test_other_key_or_record_breaks_the_seal(key: bytes, other: bytes, associated: bytes, foreign: bytes) -> None:
    sealed = seal(key, b"secret", associated)
    if other != key:
        with pytest.raises(SealBroken):
            unseal(other, sealed, associated)
    if foreign != associated:
        with pytest.raises(SealBroken):
            unseal(key, sealed, foreign)


def test_the_same_text_never_seals_to_the_same_bytes() -> None:
    key = new_key()
    assert len({seal(key, b"same", b"") for _ in range(100)}) == 100


def test_wrapped_key_is_not_an_ordinary_sealed_value() -> None:
    master, key = new_key(), new_key()
    wrapped = wrap_key(master, key, b"person")
    assert unwrap_key(master, wrapped, b"person") == key
    with pytest.raises(SealBroken):
        unseal(master, wrapped, b"person")
    with pytest.raises(SealBroken):
        unwrap_key(master, wrapped, b"somebody else")


@given(keys)
def test_key_is_read_in_each_base64_form(key: bytes) -> None:
    for text in (base64.b64encode(key), base64.urlsafe_b64encode(key), base64.urlsafe_b64encode(key).rstrip(b"=")):
        assert decode_key(f" {text.decode()}\n") == key


@pytest.mark.parametrize(
    "text", ["", "secret", base64.b64encode(b"x" * 31).decode(), base64.b64encode(b"x" * 33).decode(), "ü" * 44]
)
def test_other_text_is_no_key_and_is_not_repeated(text: str) -> None:
    with pytest.raises(KeyInvalid) as caught:
        decode_key(text)
    assert not text or text not in str(caught.value)


def test_token_has_256_bits_and_a_stable_hash() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 43 for token in tokens)
    assert token_hash("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
