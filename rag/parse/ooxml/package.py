"""Parts and relationships of an Office Open XML package (ECMA-376 part 2). External targets are never followed."""

import posixpath
import zipfile
from typing import Any

from lxml import etree

from rag.parse.contract import ParseLimits
from rag.parse.failure import ParseFailure
from rag.parse.ooxml.archive import read_member

_RELATIONSHIPS = "{http://schemas.openxmlformats.org/package/2006/relationships}"
_MAIN_PART = "officeDocument"
_PROLOGUE_BYTES = 4096
_DOCTYPE = "<!doctype"


class Package:
    """An opened package; `relations` maps ids of a part's internal relationships to (kind, part name)."""

    def __init__(self, archive: zipfile.ZipFile, limits: ParseLimits) -> None:
        self._archive = archive
        self._max_bytes = limits.xml_bytes

    def main_part(self, content_kind: str) -> tuple[str, Any]:
        """Return name and root of the main part, whose namespace must name `content_kind`.

        Raises:
            ParseFailure: `unreadable` without a main part, `type-mismatch` if it is another program's.
        """
        for kind, name in self.relations("").values():
            if kind == _MAIN_PART:
                root = self.xml(name)
                if root is None:
                    break
                if content_kind not in root.tag:
                    raise ParseFailure("type-mismatch")
                return name, root
        raise ParseFailure("unreadable", "no main part")

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return the internal relationships of a part, of the package itself for an empty name."""
        folder, name = posixpath.split(part)
        root = self.xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        if root is None:
            return {}
        return {
            relation.get("Id", ""): (
                relation.get("Type", "").rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, relation.get("Target", ""))).lstrip("/"),
            )
            for relation in root.iter(f"{_RELATIONSHIPS}Relationship")
            if relation.get("TargetMode") != "External"
        }

    def related(self, part: str, kind: str) -> list[tuple[str, Any]]:
        """Return name and root of each part that `part` names as a `kind`; missing ones are left out."""
        names = [name for found, name in self.relations(part).values() if found == kind]
        return [(name, root) for name in names if (root := self.xml(name)) is not None]

    def xml(self, name: str) -> Any | None:
        """Return the root element of a part, None if there is no such part.

        Raises:
            ParseFailure: `bomb` for a document type definition (no Office program writes one), `unreadable`, `too-large`.
        """
        data = read_member(self._archive, name, self._max_bytes)
        if data is None:
            return None
        if _has_doctype(data):
            raise ParseFailure("bomb", "DTD")
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            root = etree.fromstring(data, parser)
        except etree.XMLSyntaxError as error:
            raise ParseFailure("bomb" if _has_doctype(data, len(data)) else "unreadable", "XML") from error
        if root.getroottree().docinfo.doctype:
            raise ParseFailure("bomb", "DTD")
        return root


def _has_doctype(data: bytes, within: int = _PROLOGUE_BYTES) -> bool:
    start = data[:within]
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
    return _DOCTYPE in start.decode(encoding, errors="ignore").lower()
