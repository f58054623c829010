"""Where the input is wrong: from msgspec's and Litestar's messages to JSON pointers (RFC 6901)."""

import re
from collections.abc import Iterator
from typing import Any

from backend.errors import InputError, Location

MAX_REPORTED = 20
MAX_INTEGER = 2**63 - 1

_PATH = re.compile(r" - at `(?P<key>key in )?\$(?P<path>.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")
_FIELD = re.compile(r"^Object (?:missing required|contains unknown) field `(?P<name>.*)`$", re.DOTALL)
_MISSING_PARAMETER = re.compile(r"Missing required (?P<source>query|header|cookie|path) parameter '(?P<name>[^']*)'")
_SOURCES: dict[str, Location] = {
    "query": "query",
    "path": "path",
    "header": "header",
    "cookie": "cookie",
    "body": "body",
}


def escape(step: str) -> str:
    """Return one step of a pointer, escaped."""
    return step.replace("~", "~0").replace("/", "~1")


def from_message(message: str, *, root: str = "") -> InputError:
    """Read msgspec's message, e.g. ``Expected `int`, got `str` - at `$.a[0].b` ``.

    A missing or unknown field is pointed at itself. Below a map with free keys msgspec does not name the key; the pointer
    then ends at the map. `root` is the name of the outermost step to leave out.
    """
    found = _PATH.search(message)
    detail = message[: found.start()] if found else message
    steps = _steps(found["path"]) if found else []
    if root and steps[:1] == [root]:
        steps = steps[1:]
    if named := _FIELD.match(detail):
        steps.append(named["name"])
        detail = "This field is required." if "missing" in detail else "There is no such field."
    return InputError(pointer="".join(f"/{escape(step)}" for step in steps), detail=detail)


def from_litestar(extra: Any) -> list[InputError]:
    """Read the `extra` of Litestar's `ValidationException`: what is wrong with query, path, headers and cookies."""
    errors: list[InputError] = []
    for entry in extra if isinstance(extra, list) else []:
        location = _SOURCES.get(str(getattr(entry.get("source"), "value", entry.get("source"))), "body")
        inner = from_message(str(entry.get("message", "")))
        steps = _steps("." + str(entry.get("key", ""))) if entry.get("key") else []
        if location == "body" and steps[:1] == ["data"]:
            steps = steps[1:]
        pointer = "".join(f"/{escape(step)}" for step in steps) + inner.pointer
        errors.append(InputError(pointer=pointer, detail=inner.detail, location=location))
    return errors[:MAX_REPORTED]


def missing_parameter(detail: str) -> list[InputError]:
    """Read the detail of Litestar's `ValidationException` about a parameter that was not sent."""
    found = _MISSING_PARAMETER.match(detail)
    if found is None:
        return []
    pointer = f"/{escape(found['name'])}"
    return [InputError(pointer=pointer, detail="This parameter is required.", location=_SOURCES[found["source"]])]


def unstorable(value: Any) -> list[InputError]:
    """Find what JSON allows and no column takes: NUL characters and integers beyond 64 bits, in decoded JSON."""
    return [InputError(pointer=pointer, detail=detail) for pointer, detail in _unstorable(value, "")][:MAX_REPORTED]


def _unstorable(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if "\x00" in value:
            yield pointer, "A text must not hold the character NUL (U+0000)."
    elif isinstance(value, bool):
        return
    elif isinstance(value, int):
        if not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
            yield pointer, "The number is too large."
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unstorable(item, f"{pointer}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            if "\x00" in key:
                yield pointer, "A field name must not hold the character NUL (U+0000)."
            yield from _unstorable(item, f"{pointer}/{escape(key)}")


def _steps(path: str) -> list[str]:
    steps: list[str] = []
    for name, index, free_key in _STEP.findall(path):
        if free_key:
            break
        steps.append(name or index)
    return steps
