"""All collections of a data folder, and the operations on them."""

import shutil
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from ops.local.vectors.catalogue import Catalogue, CollectionEntry, read_catalogue, write_catalogue
from ops.local.vectors.collection import Collection
from ops.local.vectors.errors import RefusedError, bad_request, collection_not_found
from ops.local.vectors.wire import (
    ChangeAliases,
    CreateCollection,
    Name,
    SparseVectorParameters,
    VectorParameters,
    convert,
)


class Engine:
    """The one owner of the folder's files; see `owner.FolderLock`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / "catalogue.json"
        self._catalogue = read_catalogue(self._path)
        self._remove_leftovers()
        self._open = {name: Collection.load(entry, root) for name, entry in self._catalogue.collections.items()}

    def collection(self, name: str) -> Collection:
        """Return a collection by its name or an alias.

        Raises:
            RefusedError: 404 for an unknown name.
        """
        found = self._open.get(self._catalogue.aliases.get(name, name))
        if found is None:
            raise collection_not_found(name)
        return found

    def exists(self, name: str) -> bool:
        """Tell whether a collection or alias of that name exists."""
        return self._catalogue.aliases.get(name, name) in self._open

    def names(self) -> list[str]:
        """Return the collections' names."""
        return sorted(self._open)

    def aliases(self) -> list[dict[str, str]]:
        """Return the aliases."""
        return [
            {"alias_name": alias, "collection_name": name} for alias, name in sorted(self._catalogue.aliases.items())
        ]

    def create(self, name: str, body: CreateCollection) -> None:
        """Make an empty collection.

        Raises:
            RefusedError: 409 for a name that is taken, 400 for vectors that make no sense.
        """
        convert(name, Name, "name")
        if name in self._open or name in self._catalogue.aliases:
            raise RefusedError(HTTPStatus.CONFLICT, f"Wrong input: Collection `{name}` already exists!")
        entry = CollectionEntry(
            folder=f"{self._catalogue.next_folder:06}",
            vectors=_dense(body.vectors),
            sparse_vectors=body.sparse_vectors or {},
        )
        _check_vectors(entry.vectors, entry.sparse_vectors)
        made = Collection.create(entry, self._root)
        self._save(collections=self._catalogue.collections | {name: entry}, next_folder=self._catalogue.next_folder + 1)
        self._open[name] = made

    def drop(self, name: str) -> bool:
        """Delete a collection with its aliases; False where there was none."""
        entry = self._catalogue.collections.get(name)
        if entry is None:
            return False
        self._save(
            collections={key: value for key, value in self._catalogue.collections.items() if key != name},
            aliases={alias: target for alias, target in self._catalogue.aliases.items() if target != name},
        )
        self._open.pop(name).close()
        shutil.rmtree(self._root / entry.folder)
        return True

    def change_aliases(self, body: ChangeAliases) -> None:
        """Apply all changes or none."""
        aliases = dict(self._catalogue.aliases)
        for action in body.actions:
            if (action.create_alias is None) == (action.delete_alias is None):
                raise bad_request("an alias action either creates or deletes")
            if action.create_alias is not None:
                target, alias = action.create_alias.collection_name, action.create_alias.alias_name
                if target not in self._open:
                    raise collection_not_found(target)
                if alias in self._open:
                    raise RefusedError(HTTPStatus.CONFLICT, f"Wrong input: Collection `{alias}` already exists!")
                aliases[alias] = target
            elif action.delete_alias is not None:
                aliases.pop(action.delete_alias.alias_name, None)
        self._save(aliases=aliases)

    def collections(self) -> Iterator[tuple[str, Collection]]:
        """Iterate over the open collections."""
        yield from list(self._open.items())

    def close(self) -> None:
        """Flush and close all."""
        for collection in self._open.values():
            collection.close()
        self._open.clear()

    def _save(self, **changes: Any) -> None:
        catalogue: Catalogue = msgspec.structs.replace(self._catalogue, **changes)
        write_catalogue(self._path, catalogue)
        self._catalogue = catalogue

    def _remove_leftovers(self) -> None:
        """Folders of collections whose creation or deletion a crash cut short."""
        known = {entry.folder for entry in self._catalogue.collections.values()}
        for folder in self._root.iterdir():
            if folder.is_dir() and folder.name.isdigit() and folder.name not in known:
                shutil.rmtree(folder)


def _dense(raw: dict[str, Any]) -> dict[str, VectorParameters]:
    if "size" in raw and "distance" in raw:
        raise bad_request("collections here have named vectors only")
    dense: dict[str, VectorParameters] = convert(raw, dict[Name, VectorParameters], "vectors")
    return dense


def _check_vectors(dense: dict[str, VectorParameters], sparse: dict[str, SparseVectorParameters]) -> None:
    if not dense and not sparse:
        raise bad_request("a collection needs a vector")
    if both := dense.keys() & sparse.keys():
        raise bad_request(f"vector {sorted(both)[0]} cannot be both dense and sparse")
