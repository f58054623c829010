"""Walls a child puts up around itself before it looks at a document. Linux; each wall that cannot be had is left out
and the rest stand, so the caller learns which ones do.
"""

import ctypes
import os
import resource
import struct
from collections.abc import Callable, Iterable

from rag.parse.contract import ParseLimits, Wall
from rag.parse.seccomp import refuse_system_calls

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SIGKILL = 9
_CLONE_NEWNET, _CLONE_NEWUSER = 0x40000000, 0x10000000
_NOBODY = 65534
_NICENESS = 10
_OPEN_FILES = 64

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_RULE_PATH_BENEATH = 1
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_READ = (1 << 2) | (1 << 3)  # READ_FILE, READ_DIR

_libc = ctypes.CDLL(None, use_errno=True)


def confine(limits: ParseLimits, readable: Iterable[str]) -> list[Wall]:
    """Limit resources, leave the network, drop root, hide the file system but `readable`, refuse system calls.

    Returns the names of the walls that stand: `limits`, `network`, `user`, `files`, `syscalls`.
    """
    os.nice(_NICENESS)
    _limit_resources(limits)
    walls: dict[Wall, Callable[[], bool]] = {
        "network": _leave_network,
        "user": _drop_root,
        "files": lambda: _hide_files(readable),
        "syscalls": refuse_system_calls,
    }
    # Only after dropping root: a change of user clears the signal of the parent's death.
    standing: list[Wall] = ["limits"]
    for name, build in walls.items():
        if name == "files":
            _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
            _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
            _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if build():
            standing.append(name)
    return standing


def _limit_resources(limits: ParseLimits) -> None:
    # One second between the limits: the soft one's signal (SIGXCPU) tells a slow document from a killed child.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def _leave_network() -> bool:
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    return bool(_libc.unshare(flags) == 0)


def _drop_root() -> bool:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    _drop_capabilities()
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    return os.geteuid() != 0


def _drop_capabilities() -> None:
    """Give up what a name space of one's own, or whoever started the worker, has lent (capset(2), version 3)."""
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
    if _libc.capset(header, ctypes.create_string_buffer(24)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _hide_files(readable: Iterable[str]) -> bool:
    version = _libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_CREATE_RULESET_VERSION)
    if version < 1:
        return False
    attributes = _landlock_attributes(version)
    ruleset = _libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow_reading(ruleset, path)
        return bool(_libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _landlock_attributes(version: int) -> bytes:
    """Return `struct landlock_ruleset_attr` with all that this version of Landlock can refuse (landlock(7))."""
    rights = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    files, ports, scopes = (1 << rights) - 1, 0b11, 0b11
    fields = (files,) if version < 4 else (files, ports) if version < 6 else (files, ports, scopes)
    return struct.pack(f"{len(fields)}Q", *fields)


def _allow_reading(ruleset: int, path: str) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # a folder that is not there, or not ours to see, needs no leave
    rule = struct.pack("=Qi", _LANDLOCK_READ, folder)
    _libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, rule, 0)
    os.close(folder)
