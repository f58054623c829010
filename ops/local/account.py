"""The unprivileged account that servers run under when Lyceum is started as root."""

import os
import pwd
from pathlib import Path
from typing import NamedTuple


class Account(NamedTuple):
    """Numeric user and group."""

    uid: int
    gid: int


def account_for(folder: Path) -> Account | None:
    """Return whom a server that owns `folder` runs as: None for ourselves, which is always so for an ordinary user.

    A folder that has an unprivileged owner already keeps it; a new one goes to `nobody` (initdb wants a named user).
    """
    if os.geteuid() != 0:
        return None
    if folder.exists() and (status := folder.stat()).st_uid != 0:
        return Account(status.st_uid, status.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def make_private_folder(folder: Path, account: Account | None) -> None:
    """Create `folder` with mode 0700, owned by `account`."""
    folder.mkdir(mode=0o700, parents=False, exist_ok=True)
    if account is not None:
        os.chown(folder, account.uid, account.gid)


def write_private_file(path: Path, text: str, account: Account | None = None) -> None:
    """Write `path` anew with mode 0600, in one step, owned by `account`."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if account is not None:
        os.chown(draft, account.uid, account.gid)
    draft.replace(path)
