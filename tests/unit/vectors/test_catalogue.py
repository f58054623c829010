from pathlib import Path

import pytest

from ops.local.vectors.catalogue import Catalogue, CatalogueError, CollectionEntry, read_catalogue, write_catalogue
from ops.local.vectors.wire import VectorParameters

ENTRY = CollectionEntry(
    folder="000001", vectors={"dense": VectorParameters(size=4, distance="Cosine")}, sparse_vectors={}
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    catalogue = Catalogue(next_folder=2, collections={"a": ENTRY}, aliases={"b": "a"})
    write_catalogue(tmp_path / "catalogue.json", catalogue)
    assert read_catalogue(tmp_path / "catalogue.json") == catalogue
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue.json"]


def test_a_missing_file_is_an_empty_catalogue(tmp_path: Path) -> None:
    assert read_catalogue(tmp_path / "catalogue.json") == Catalogue()


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"{", "cannot be read"), (b'{"collections": 1}', "cannot be read"), (b'{"format": 2}', "newer version")],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "catalogue.json"
    path.write_bytes(content)
    with pytest.raises(CatalogueError, match=says):
        read_catalogue(path)
    assert path.read_bytes() == content


def test_a_crash_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalogue.json"
    write_catalogue(path, Catalogue(next_folder=2))

    def crash(_descriptor: int) -> None:
        raise OSError("no space")

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(OSError, match="no space"):
        write_catalogue(path, Catalogue(next_folder=3))
    assert read_catalogue(path) == Catalogue(next_folder=2)
