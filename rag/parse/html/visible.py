"""Which elements of a page its reader does not see, or sees around every page of the site."""

import re
from typing import Any

from rag.parse.solutions import marks_solution, titles_solution

_NEVER_NAMES = """
script style noscript template head title meta link button input select option textarea iframe object embed svg canvas
audio video dialog map img picture source nav footer form
"""
_NEVER = frozenset(_NEVER_NAMES.split())
_HIDING_CLASSES = frozenset(["sr-only", "visually-hidden", "screen-reader-text", "d-none", "hidden", "invisible"])
_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\.0*)?\s*(?:;|$)|font-size\s*:\s*[01](?:\.\d+)?(?:px|pt)?\s*(?:;|$)"
    r"|(?:left|top|text-indent)\s*:\s*-\d{3,}",
    re.IGNORECASE,
)
_WHITE = re.compile(r"(?:^|[;\s])color\s*:\s*(?:#fff(?:fff)?\b|white\b|rgb\(\s*255\s*,\s*255\s*,\s*255)", re.IGNORECASE)
_CHROME_TAGS = frozenset(["header", "aside"])
_CHROME_ROLES = frozenset(["navigation", "banner", "contentinfo", "search", "menu", "menubar", "complementary"])
_CHROME_CLASSES_NAMES = """
nav navbar navigation sidebar menu breadcrumb breadcrumbs toc footer site-footer site-header cookie cookies banner
skip-link
"""
_CHROME_CLASSES = frozenset(_CHROME_CLASSES_NAMES.split())


def is_skipped(element: Any) -> bool:
    """Tell whether an element is machinery of the page rather than text, such as a script or a menu."""
    return element.tag in _NEVER or element.get("role") in _CHROME_ROLES


def is_hidden(element: Any) -> bool:
    """Tell whether an element's own attributes hide it from the reader."""
    if element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    if _HIDING_CLASSES & _classes(element):
        return True
    style = element.get("style") or ""
    return bool(style and (_HIDING_STYLE.search(style) or _is_white_on_white(element, style)))


def is_solution(element: Any) -> bool:
    """Tell whether an element holds the answer to an exercise, by its class or the title of a fold-out."""
    if any(map(marks_solution, _classes(element))) or marks_solution(element.get("data-type") or ""):
        return True
    summary = element.find("summary") if element.tag == "details" else None
    return summary is not None and titles_solution(summary.text_content())


def is_chrome(element: Any) -> bool:
    """Tell whether an element of a page without a main part is a header, sidebar or menu."""
    if element.tag in _CHROME_TAGS:
        return True
    names = _classes(element) | {(element.get("id") or "").lower()}
    return element.tag in ("div", "section", "ul", "ol", "p") and bool(_CHROME_CLASSES & names)


def _classes(element: Any) -> set[str]:
    return set((element.get("class") or "").lower().split())


def _is_white_on_white(element: Any, style: str) -> bool:
    if not _WHITE.search(style):
        return False
    styles = [style, *(ancestor.get("style") or "" for ancestor in element.iterancestors())]
    return not any("background" in part.lower() for part in styles)
