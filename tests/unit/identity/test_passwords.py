"""The password policy and the hasher's parameters."""

import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters

from backend.identity import passwords
from backend.identity.errors import PasswordWeak

EMAIL = "Sam.Student@uni.example"


@pytest.mark.parametrize(
    "weak",
    ["", "short", "123456789", "1234567890", "PASSWORD123", "qwertyuiop", "aaaaaaaaaaaaaaaa", "121212121212",
     "sam.student@UNI.example", "Sam.Student", "x" * 257, "ｐａｓｓｗｏｒｄ１２３"],
)  # fmt: skip
def test_what_is_tried_first_is_refused(weak: str) -> None:
    with pytest.raises(PasswordWeak) as caught:
        passwords.check_policy(weak, EMAIL, pointer="/new_password")
    assert [error.pointer for error in caught.value.errors] == ["/new_password"]
    assert weak not in caught.value.detail or not weak


@pytest.mark.parametrize("good", ["correct horse battery", "كلمة سر طويلة جدا", "🐎🔋🧷✏️ staple", "Sam.Student's dog"])
def test_length_is_enough_in_any_script(good: str) -> None:
    passwords.check_policy(good, EMAIL)


def test_the_dummy_hash_costs_what_a_real_one_costs() -> None:
    hasher = PasswordHasher()
    real, dummy = extract_parameters(hasher.hash("x")), extract_parameters(passwords.DUMMY_HASH)
    assert (dummy.type, dummy.version, dummy.salt_len, dummy.hash_len) == (
        real.type, real.version, real.salt_len, real.hash_len,
    )  # fmt: skip
    assert (dummy.memory_cost, dummy.time_cost, dummy.parallelism) == (
        real.memory_cost, real.time_cost, real.parallelism,
    )  # fmt: skip
    assert real.memory_cost >= 64 * 1024
    assert not passwords.is_outdated(passwords.DUMMY_HASH)


async def test_a_hash_fits_its_password_alone_in_every_normal_form() -> None:
    stored = await passwords.hash_password("Grüße über alles")
    assert await passwords.verify(stored, "Gru\u0308ße über alles")
    assert not await passwords.verify(stored, "Grüße über Alles")
    assert not await passwords.verify(None, "Grüße über alles")
    assert not await passwords.verify("no hash", "Grüße über alles")


async def test_hashing_leaves_the_loop_free() -> None:
    hashing = asyncio.gather(*(passwords.hash_password("correct horse battery") for _ in range(4)))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert len(set(await hashing)) == 4
    assert turns >= 20
