"""`namespace@sha256`: the only way to name an adapter."""

import re
from typing import Final

import msgspec

NAMESPACE_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
SHA256_PATTERN: Final = r"^[0-9a-f]{64}$"
_NAME: Final = re.compile(f"({NAMESPACE_PATTERN[1:-1]})@({SHA256_PATTERN[1:-1]})")


class AdapterName(msgspec.Struct, frozen=True):
    """The name of one immutable version."""

    namespace: str
    sha256: str

    @classmethod
    def parse(cls, text: str) -> "AdapterName | None":
        """Return the name that `text` is, or None."""
        found = _NAME.fullmatch(text)
        return cls(*found.groups()) if found else None

    def __str__(self) -> str:
        return f"{self.namespace}@{self.sha256}"


def served_as(adapter_id: str) -> str:
    """Return the name by which a server knows an adapter that it was given at its start: TGI's list takes no @ in one."""
    return adapter_id.replace("@", ".")
