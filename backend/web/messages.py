"""The pages' messages in each language, plural forms included."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from backend.kit.subject import Locale

LOCALES: Final[tuple[Locale, ...]] = ("en", "ar")
# The categories of Unicode CLDR that a message with `count` needs in each language.
PLURAL_CATEGORIES: Final[dict[Locale, tuple[str, ...]]] = {
    "en": ("one", "other"),
    "ar": ("zero", "one", "two", "few", "many", "other"),
}
CLIENT_GROUPS: Final = ("client", "problem", "verdict", "job_kind", "job_state", "units")
FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"

Message = str | Mapping[str, str]


@cache
def catalogue(locale: Locale) -> Mapping[str, Message]:
    """Return all messages of a language by dotted key; one that depends on a count is a table of plural forms."""
    parts = [
        tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted((Path(__file__).parent / "locales").glob(f"*{locale}.toml"))
    ]
    return {
        f"{group}.{key}": message
        for nested in parts
        for group, messages in nested.items()
        for key, message in messages.items()
    }


@cache
def client_messages(locale: Locale) -> Mapping[str, Message]:
    """Return the messages that the pages' modules show."""
    return {key: message for key, message in catalogue(locale).items() if key.partition(".")[0] in CLIENT_GROUPS}


def plural_category(locale: Locale, count: int) -> str:
    """Return the category of a whole number (Unicode CLDR plural rules)."""
    if locale == "en":
        return "one" if count == 1 else "other"
    if count <= 2:
        return ("zero", "one", "two")[count]
    if 3 <= count % 100 <= 10:
        return "few"
    return "many" if count % 100 >= 11 else "other"


class Translator:
    """`t(key, **values)` of the templates. Text among the values is isolated, so that its direction stays its own.

    An unknown key is a fault of the page and raises KeyError.
    """

    def __init__(self, locale: Locale) -> None:
        self.locale = locale
        self._messages = catalogue(locale)

    def __call__(self, key: str, **values: str | int) -> str:
        message = self._messages[key]
        if not isinstance(message, str):
            message = message[plural_category(self.locale, int(values["count"]))]
        return message.format(**{name: _isolated(value) for name, value in values.items()}) if values else message

    def known(self, key: str) -> bool:
        """Tell whether there is such a message: for keys that hold a word of the API."""
        return key in self._messages


def _isolated(value: str | int) -> str:
    return f"{FIRST_STRONG_ISOLATE}{value}{POP_ISOLATE}" if isinstance(value, str) else str(value)
