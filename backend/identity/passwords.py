"""Passwords: what is accepted, and Argon2id (RFC 9106) in two threads of its own, so that neither loop nor memory suffers."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from backend.identity.errors import PasswordWeak

T = TypeVar("T")

MIN_CHARACTERS: Final = 10
MAX_CHARACTERS: Final = 256
HASH_THREADS: Final = 2  # 64 MiB each

# The hash of a random text nobody knows, with the hasher's parameters: an unknown address costs what a known one costs.
DUMMY_HASH: Final = "$argon2id$v=19$m=65536,t=3,p=4$KAxtn5cY8wWn+eauaHWVWw$IMMqlAPYeQpRS6WpBmI1RGV/EASdt94iZCguv3Q+QZ0"

COMMON: Final = frozenset(
    {
        "0123456789", "0987654321", "1111111111", "1122334455", "1234567890", "12345678910", "1234567891", "123456789a",
        "123456789q", "1234554321", "1q2w3e4r5t", "1q2w3e4r5t6y", "1qaz2wsx3edc", "9876543210", "a123456789", "abcd123456",
        "abcdefghij", "aaaaaaaaaa", "administrator", "asdfghjkl1", "asdfghjkl;", "basketball", "butterfly1", "changeme12",
        "changeme123", "chocolate1", "computer123", "football123", "helloworld", "iloveyou12", "iloveyou123", "letmein123",
        "liverpool1", "manchester", "password01", "password11", "password12", "password123", "password1234", "passw0rd123",
        "p@ssw0rd123", "q1w2e3r4t5", "q1w2e3r4t5y6", "qazwsxedcr", "qwerty1234", "qwerty12345", "qwerty123456", "qwertyuiop",
        "qwertyuiop1", "qwertyuiop[]", "secret1234", "student123", "studentstudent", "summer2024", "summer2025", "summer2026",
        "superman123", "teacher123", "university", "university1", "welcome123", "welcome1234", "winter2025", "zxcvbnm123",
    }
)  # fmt: skip

_hasher = PasswordHasher()
_threads = ThreadPoolExecutor(HASH_THREADS, thread_name_prefix="argon2")


def check_policy(password: str, email: str, *, pointer: str = "/password") -> None:
    """Accept a new password, or say what is wrong with it (NIST SP 800-63B §3.1.1: length and known lists, no composition rules).

    Raises:
        PasswordWeak: with `pointer`.
    """
    candidate = _normalised(password).casefold()
    if len(candidate) < MIN_CHARACTERS:
        raise PasswordWeak(pointer, f"Use at least {MIN_CHARACTERS} characters.")
    if len(candidate) > MAX_CHARACTERS:
        raise PasswordWeak(pointer, f"Use at most {MAX_CHARACTERS} characters.")
    address = email.casefold()
    if candidate in {address, address.partition("@")[0]}:
        raise PasswordWeak(pointer, "Do not use your e-mail address.")
    if candidate in COMMON or len(set(candidate)) < 4:
        raise PasswordWeak(pointer, "This password is among the first that are tried.")


async def hash_password(password: str) -> str:
    """Return the encoded Argon2id hash."""
    return await _in_thread(_hasher.hash, _normalised(password))


async def verify(password_hash: str | None, password: str) -> bool:
    """Tell whether the password belongs to the hash; without a hash it takes as long and is False."""
    matches = await _in_thread(_matches, password_hash or DUMMY_HASH, _normalised(password))
    return matches and password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Tell whether the hash was made with other parameters than those of now."""
    return _hasher.check_needs_rehash(password_hash)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _normalised(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


async def _in_thread(function: Callable[..., T], *arguments: str) -> T:
    return await asyncio.get_running_loop().run_in_executor(_threads, function, *arguments)
