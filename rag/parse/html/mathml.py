"""MathML as one line of text, close to how it is read aloud: `(n + 1)/2`, `x^2`, `√(a)`."""

from collections.abc import Callable
from typing import Any

_SPACED = frozenset(
    ["=", "+", "−", "-", "<", ">", "≤", "≥", "≠", "≈", "×", "⋅", "±", "∈", "→", "∪", "∩", "|", "≔", "∼"]
)
_ACCENTS = {"¯": "\u0304", "‾": "\u0304", "^": "\u0302", "ˆ": "\u0302", "~": "\u0303", "→": "\u20d7", "˙": "\u0307"}
_SIMPLE = 2


def linear(element: Any) -> str:
    """Return a formula as text; its TeX source when it carries one."""
    for annotation in element.iter("annotation"):
        if "tex" in (annotation.get("encoding") or "").lower() and (annotation.text or "").strip():
            return f"${annotation.text.strip()}$"
    return " ".join(_text(element).split())


def _text(element: Any) -> str:
    if not isinstance(element.tag, str):
        return ""
    tag = element.tag.rpartition("}")[2]
    if tag in ("annotation", "annotation-xml"):
        return ""
    children = [child for child in element if isinstance(child.tag, str)]
    layout = _LAYOUTS.get(tag)
    if layout and len(children) >= layout[0]:
        return layout[1]([_text(child) for child in children])
    if children:
        return "".join(_text(child) for child in children)
    sign = " ".join((element.text or "").split())
    if tag == "mo" and sign in _SPACED:
        return f" {sign} "
    return f"{sign} " if sign == "," else sign


def _grouped(text: str) -> str:
    text = text.strip()
    return text if len(text) < _SIMPLE or text.isalnum() else f"({text})"


def _over(parts: list[str]) -> str:
    base, mark = parts[0].strip(), parts[1].strip()
    return base + _ACCENTS[mark] if mark in _ACCENTS and len(base) == 1 else f"{base}^{_grouped(mark)}"


_LAYOUTS: dict[str, tuple[int, Callable[[list[str]], str]]] = {
    "mfrac": (2, lambda p: f"{_grouped(p[0])}/{_grouped(p[1])}"),
    "msup": (2, lambda p: f"{_grouped(p[0])}^{_grouped(p[1])}"),
    "msub": (2, lambda p: f"{_grouped(p[0])}_{_grouped(p[1])}"),
    "msubsup": (3, lambda p: f"{_grouped(p[0])}_{_grouped(p[1])}^{_grouped(p[2])}"),
    "munder": (2, lambda p: f"{p[0].strip()}_{_grouped(p[1])} "),
    "mover": (2, _over),
    "munderover": (3, lambda p: f"{p[0].strip()}_{_grouped(p[1])}^{_grouped(p[2])} "),
    "msqrt": (1, lambda p: f"√({''.join(p).strip()})"),
    "mroot": (2, lambda p: f"root {_grouped(p[1])} of {_grouped(p[0])}"),
    "mtable": (1, "; ".join),
    "mtr": (1, ", ".join),
}
