"""Which collections and aliases there are: one JSON file, replaced as a whole."""

import os
from pathlib import Path

import msgspec

from ops.local.vectors.wire import SparseVectorParameters, VectorParameters

FORMAT = 1


class CollectionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A collection's folder, relative to the data folder, and its vectors, which never change."""

    folder: str
    vectors: dict[str, VectorParameters]
    sparse_vectors: dict[str, SparseVectorParameters]


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `aliases` maps alias to collection; `next_folder` is never used twice."""

    format: int = FORMAT
    next_folder: int = 1
    collections: dict[str, CollectionEntry] = {}
    aliases: dict[str, str] = {}


class CatalogueError(Exception):
    """The file cannot be read by this version of the program."""


def read_catalogue(path: Path) -> Catalogue:
    """Read the file, or return an empty catalogue where there is none.

    Raises:
        CatalogueError: the file is broken or of a newer format.
    """
    try:
        catalogue = msgspec.json.decode(path.read_bytes(), type=Catalogue)
    except FileNotFoundError:
        return Catalogue()
    except msgspec.DecodeError as error:
        raise CatalogueError(f"{path} cannot be read: {error}") from error
    if catalogue.format > FORMAT:
        raise CatalogueError(f"{path} was written by a newer version of the program")
    return catalogue


def write_catalogue(path: Path, catalogue: Catalogue) -> None:
    """Replace the file, so that a crash at any line leaves the old one or the new one whole."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(catalogue)))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
