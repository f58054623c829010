"""Cutting a document into passages: whole sentences of one page and one section, of about equal length."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from rag.chunk.atoms import Atom, atoms_of
from rag.language import detect
from rag.parse.contract import Heading, PageSpan, ParsedDocument

TARGET_TOKENS = 150
MAX_TOKENS = 220
_MIN_TOKENS = 40
_MIN_LETTERS = 24
_MIN_LETTERS_CERTAIN = 300


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A passage: `text` is exactly `parsed.text[char_start:char_end]`, without white space around it.

    `ordinal` counts from 0 in the document; `page` from 1, None where the format has none; `heading` is the path of
    titles above it, outermost first, joined by ` › `; `language` an ISO 639-1 code or `und`.
    """

    ordinal: int
    page: int | None
    heading: str
    char_start: int
    char_end: int
    text: str
    language: str


class _Stretch(NamedTuple):
    """Atoms of one page under one top heading."""

    page: int | None
    atoms: list[Atom]


def chunk(parsed: ParsedDocument, *, target_tokens: int = TARGET_TOKENS, max_tokens: int = MAX_TOKENS) -> list[Passage]:
    """Cut a document into passages of about `target_tokens`, none above `max_tokens` by `estimate_tokens`.

    The same document gives the same passages. They do not overlap, and leave out nothing but white space.
    """
    language = detect(parsed.text)
    atoms = list(atoms_of(parsed, max_tokens, language))
    groups = [
        (stretch.page, group)
        for stretch in _stretches(atoms, parsed)
        for group in _merge_small(_pack(stretch.atoms, target_tokens, max_tokens), max_tokens)
    ]
    return [_passage(i, page, group, parsed, language) for i, (page, group) in enumerate(groups)]


def _stretches(atoms: Sequence[Atom], parsed: ParsedDocument) -> Iterator[_Stretch]:
    top = min((heading.level for heading in parsed.headings), default=0)
    current: _Stretch | None = None
    for atom in atoms:
        page = _page_at(parsed.pages, atom.start)
        begins_section = atom.heading_level == top and top > 0 and not (current and _only_headings(current.atoms))
        if current is None or page != current.page or begins_section:
            if current:
                yield current
            current = _Stretch(page, [])
        current.atoms.append(atom)
    if current:
        yield current


def _page_at(pages: Sequence[PageSpan], position: int) -> int | None:
    low, high = 0, len(pages)
    while low < high:
        middle = (low + high) // 2
        if pages[middle].char_end <= position:
            low = middle + 1
        else:
            high = middle
    return pages[low].number if low < len(pages) else None


def _pack(atoms: Sequence[Atom], target: int, maximum: int) -> Iterator[list[Atom]]:
    """Fill passages section by section; the parts of a long section come out about equally long."""
    for section in _sections(atoms):
        total = sum(atom.tokens for atom in section)
        share = min(total / max(1, round(total / target)), maximum)
        group: list[Atom] = []
        for atom in section:
            if group and _is_full(group, atom, share, maximum):
                yield group
                group = []
            group.append(atom)
        yield group


def _is_full(group: Sequence[Atom], atom: Atom, share: float, maximum: int) -> bool:
    size = _tokens(group)
    reached_share = size + atom.tokens / 2 > share and not _only_headings(group)
    return reached_share or size + atom.tokens > maximum


def _sections(atoms: Sequence[Atom]) -> Iterator[list[Atom]]:
    section: list[Atom] = []
    for atom in atoms:
        if atom.heading_level and section and not _only_headings(section):
            yield section
            section = []
        section.append(atom)
    if section:
        yield section


def _only_headings(atoms: Sequence[Atom]) -> bool:
    return all(atom.heading_level for atom in atoms)


def _merge_small(groups: Iterator[list[Atom]], maximum: int) -> list[list[Atom]]:
    """Join fragments to their neighbour: what is too short says too little to be found by."""
    merged: list[list[Atom]] = []
    for group in groups:
        if merged and _is_small(merged[-1], group) and _tokens(merged[-1]) + _tokens(group) <= maximum:
            merged[-1] = merged[-1] + group
        else:
            merged.append(group)
    return merged


def _is_small(previous: Sequence[Atom], group: Sequence[Atom]) -> bool:
    return min(_tokens(previous), _tokens(group)) < _MIN_TOKENS


def _tokens(group: Sequence[Atom]) -> int:
    return sum(atom.tokens for atom in group)


def _passage(ordinal: int, page: int | None, group: Sequence[Atom], parsed: ParsedDocument, language: str) -> Passage:
    start, end = group[0].start, group[-1].end
    text = parsed.text[start:end]
    return Passage(
        ordinal=ordinal,
        page=page,
        heading=_heading_path(parsed.headings, group),
        char_start=start,
        char_end=end,
        text=text,
        language=_language_of(text, language),
    )


def _language_of(text: str, document_language: str) -> str:
    """Return a passage's language; a formula or a list of names is in its document's, whatever letter statistics say."""
    letters = sum(char.isalpha() for char in text)
    found = detect(text) if letters >= _MIN_LETTERS else document_language
    same_script = "ar" not in (found, document_language)
    if letters < _MIN_LETTERS_CERTAIN and (same_script or found not in {"ar", "en"}):
        return document_language
    return found


def _heading_path(headings: Sequence[Heading], group: Sequence[Atom]) -> str:
    """Return the titles open where the passage's own text begins."""
    position = next((atom.start for atom in group if not atom.heading_level), group[-1].start)
    path: list[Heading] = []
    for heading in headings:
        if heading.char_start > position:
            break
        path = [*(above for above in path if above.level < heading.level), heading]
    return " › ".join(heading.title for heading in path)
