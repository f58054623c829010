"""Office formulas (ECMA-376 part 1, §22.1) as one line of text: `(a + b)/2`, `x^2`, `√(n)`."""

from typing import Any

_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
FORMULA_TAGS = frozenset({f"{_M}oMath", f"{_M}oMathPara"})


def linear(element: Any) -> str:
    """Return the text of a formula."""
    tag = element.tag.removeprefix(_M) if isinstance(element.tag, str) else ""
    match tag:
        case "t":
            return element.text or ""
        case "f":
            return f"{_grouped(_part(element, 'num'))}/{_grouped(_part(element, 'den'))}"
        case "sSup":
            return f"{_part(element, 'e')}^{_grouped(_part(element, 'sup'))}"
        case "sSub":
            return f"{_part(element, 'e')}_{_grouped(_part(element, 'sub'))}"
        case "sSubSup":
            return f"{_part(element, 'e')}_{_grouped(_part(element, 'sub'))}^{_grouped(_part(element, 'sup'))}"
        case "rad":
            return f"√({_part(element, 'e')})"
        case "nary":
            bounds = f"_{_grouped(_part(element, 'sub'))}^{_grouped(_part(element, 'sup'))}"
            return f"{_nary_sign(element)}{bounds} {_part(element, 'e')}"
        case "d":
            return f"({_part(element, 'e')})"
        case _ if tag.endswith("Pr"):
            return ""
        case _:
            return "".join(map(linear, element))


def _part(element: Any, name: str) -> str:
    return ", ".join("".join(map(linear, part)) for part in element.findall(f"{_M}{name}"))


def _grouped(text: str) -> str:
    return text if len(text) <= 1 or text.isalnum() else f"({text})"


def _nary_sign(element: Any) -> str:
    char = element.find(f"{_M}naryPr/{_M}chr")
    return (char.get(f"{_M}val") if char is not None else None) or "∫"
