"""Two catalogues that say the same, used completely and by nobody in vain."""

import re
from pathlib import Path
from string import Formatter

import pytest

from backend.jobs.schemas import JobView
from backend.kit.permissions import BUILTIN_ROLES, PERMISSIONS
from backend.kit.subject import Locale
from backend.web import rendering
from backend.web.messages import LOCALES, PLURAL_CATEGORIES, Message, Translator, catalogue, plural_category
from db.jobs import TERMINAL_STATES
from rag.parse import FAILURE_TYPES

assert JobView  # jobs and their states are declared

FOLDER = rendering.FOLDER
CALL = re.compile(r"""\bt\(\s*["']([a-z_]+\.[\w.-]+)["']\s*[,)]""")
PREFIX = re.compile(r"""\bt\(\s*["'`]([a-z_]+\.[a-z_]*)(?:["']\s*~|\$\{)""")
NAVIGATED = {label for label, _, _ in rendering.NAVIGATION}


def sources() -> list[Path]:
    folders = (FOLDER / "templates", FOLDER / "static" / "js")
    return [*FOLDER.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.*"))]


def used() -> tuple[set[str], set[str]]:
    """Whole keys in the sources, and the beginnings of those that end with a word of the API."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources())
    return set(CALL.findall(text)) | NAVIGATED, set(PREFIX.findall(text))


def forms(message: Message) -> dict[str, str]:
    return {"": message} if isinstance(message, str) else dict(message)


def placeholders(message: Message) -> set[str]:
    return {name for text in forms(message).values() for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_messages() -> None:
    english, arabic = catalogue("en"), catalogue("ar")
    assert english.keys() == arabic.keys()
    for key, message in english.items():
        assert isinstance(message, str) == isinstance(arabic[key], str), key
        assert placeholders(message) == placeholders(arabic[key]) | (placeholders(message) & {"count"}), key


@pytest.mark.parametrize("locale", LOCALES)
def test_plural_messages_have_all_forms(locale: Locale) -> None:
    plural = {key: message for key, message in catalogue(locale).items() if not isinstance(message, str)}
    assert len(plural) >= 7
    for key, message in plural.items():
        assert tuple(message) == PLURAL_CATEGORIES[locale], key


def test_arabic_is_arabic() -> None:
    latin = {"frame.other_language", "roles.cell"}
    for key, message in catalogue("ar").items():
        for text in forms(message).values():
            assert key in latin or re.search("[\u0600-\u06ff]", text), key


def test_every_message_used_is_there_and_every_one_there_is_used() -> None:
    keys, prefixes = used()
    known = set(catalogue("en"))
    assert keys - known == set()
    assert {prefix for prefix in prefixes if not any(key.startswith(prefix) for key in known)} == set()
    idle = {key for key in known - keys if not key.startswith(tuple(prefixes))}
    assert idle == set()


def test_every_word_of_the_api_that_pages_show_has_a_message() -> None:
    known = set(catalogue("en"))
    assert {f"permission.{name}" for name in PERMISSIONS} <= known
    assert {f"role.{name}" for name in BUILTIN_ROLES} <= known
    assert {f"job_state.{state}" for state in (*TERMINAL_STATES, "queued", "waiting", "running")} <= known
    assert {
        f"state.{state}" for state in ("queued", "parsing", "chunking", "embedding", "indexing", "ready", "failed")
    } <= known
    assert FAILURE_TYPES  # their sentences come with the documents, in the reader's language


@pytest.mark.parametrize(
    ("count", "category"),
    [(0, "zero"), (1, "one"), (2, "two"), (3, "few"), (10, "few"), (11, "many"), (99, "many"), (100, "other"),
     (102, "other"), (103, "few"), (111, "many"), (1000, "other")],
)  # fmt: skip
def test_arabic_plurals_follow_cldr(count: int, category: str) -> None:
    assert plural_category("ar", count) == category


def test_english_plurals_and_isolated_values() -> None:
    t = Translator("en")
    assert t("document.page_count", count=1) == "1 page"
    assert t("document.page_count", count=0) == "0 pages"
    assert t("document.became_ready", title="ملخص") == "\u2068ملخص\u2069 is ready."
    with pytest.raises(KeyError):
        t("no.such_message")
