"""How pages write sizes, moments, media types and browsers."""

import re
from datetime import UTC, date, datetime
from typing import Final

from markupsafe import Markup

from backend.documents.failures import localised
from backend.kit.subject import Locale
from rag.parse import FAILURE_TYPES

_UNITS: Final = ("B", "KB", "MB", "GB")
_UNITS_OF_TIME: Final = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
_KINDS: Final = {
    "application/pdf": "PDF",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "DOCX",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PPTX",
    "text/html": "HTML",
    "text/markdown": "MD",
    "text/plain": "TXT",
}
# The first that fits; most browsers claim to be several others as well.
_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


def size(size_bytes: int) -> str:
    """Return a file size as file managers show it: units of 1024, e.g. ``1.4 MB``."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    power = 1 if size_bytes < 1000 * 1024 else 2 if size_bytes < 1000 * 1024**2 else 3
    value = size_bytes / 1024**power
    return f"{value:.{1 if value < 10 else 0}f} {_UNITS[power]}"


def span(seconds: float) -> list[tuple[int, str]]:
    """Return a length of time as at most two numbers with the names of their units, e.g. ``[(3, "hours"), (10, "minutes")]``."""
    whole = max(0, round(seconds))
    parts: list[tuple[int, str]] = []
    for unit, length in _UNITS_OF_TIME:
        number, whole = divmod(whole, length)
        if number or (not parts and unit == "seconds"):
            parts.append((number, unit))
        elif parts:
            break
        if len(parts) == 2:
            break
    return parts


def moment(value: datetime | None) -> Markup:
    """Return a `time` element in UTC; the page's module turns it into the reader's time and language."""
    if value is None:
        return Markup("–")
    value = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        value.isoformat(timespec="seconds"), f"{value:%Y-%m-%d %H:%M} UTC"
    )


def day(value: date) -> Markup:
    """Return a `time` element of a date."""
    return Markup('<time datetime="{0}">{0}</time>').format(value.isoformat())


def kind(media_type: str) -> str:
    """Return the short name of a document format, empty for one that cannot be read."""
    return _KINDS.get(media_type, "")


def reason(detail: str, failure: str, locale: Locale) -> str:
    """Return why a job failed, in the reader's language where the file was the reason."""
    known = next((known for known in FAILURE_TYPES if known == failure), None)
    return localised(known, detail, locale) if known else detail


def device(user_agent: str) -> str:
    """Return browser and system of a session, or the first word of what the program calls itself."""
    browser = next((name for sign, name in _BROWSERS if sign in user_agent), None)
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), None)
    if browser is None:
        return re.split(r"[/\s]", user_agent.strip(), maxsplit=1)[0] or "–"
    return f"{browser} · {system}" if system else browser
