"""Borders between our own words and other people's in a prompt (Hines et al., "Spotlighting", 2024)."""

import hashlib

BORDER_BYTES = 16


def border(*texts: str) -> str:
    """Return a hash of the texts in hexadecimal, which none of them can hold to pretend that it ends there.

    Nothing in it is random: the same texts make word for word the same prompt, whose answer can be kept.
    """
    digest = hashlib.sha256()
    for text in texts:
        digest.update(len(text).to_bytes(8, "big") + text.encode())
    return digest.hexdigest()[: 2 * BORDER_BYTES]
