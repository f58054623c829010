"""Walls a child puts up around itself before it looks at a document. Linux; each wall that cannot be had is left out
and the rest stand, so the caller learns which ones do.
"""

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Callable, Iterable

from rag.parse.contract import ParseLimits

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 4, 38, 22
_SIGKILL = 9
_CLONE_NEWNET, _CLONE_NEWUSER = 0x40000000, 0x10000000
_NOBODY = 65534
_NICENESS = 10
_OPEN_FILES = 64

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_RULE_PATH_BENEATH = 1
_LANDLOCK_ALL_V1 = (1 << 13) - 1
_LANDLOCK_READ = (1 << 2) | (1 << 3)  # READ_FILE, READ_DIR

_SECCOMP_MODE_FILTER = 2
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# What no parser needs: sockets, new processes, other programs, tracing, mounts, signals to others, kernel keys.
_REFUSED = {
    "x86_64": (41, 42, 43, 44, 45, 46, 47, 49, 50, 53, 56, 57, 58, 59, 62, 101, 155, 161, 165, 166, 200, 246, 248,
               249, 250, 272, 288, 298, 303, 304, 307, 308, 310, 311, 313, 321, 322, 323, 424, 425, 426, 427, 434, 435, 438),
    "aarch64": (198, 199, 200, 201, 202, 203, 206, 207, 211, 212, 220, 221, 281, 129, 130, 117, 39, 40, 41, 51, 97,
                104, 217, 218, 219, 241, 242, 243, 264, 265, 268, 269, 270, 271, 273, 280, 282, 424, 425, 426, 427, 434,
                435, 438),
}  # fmt: skip
_EPERM_RETURN = 0x00050000 | 1
_ALLOW = 0x7FFF0000
_KILL = 0x80000000

_libc = ctypes.CDLL(None, use_errno=True)


def confine(limits: ParseLimits, readable: Iterable[str]) -> list[str]:
    """Limit resources, leave the network, drop root, hide the file system but `readable`, refuse system calls.

    Returns the names of the walls that stand: `limits`, `network`, `user`, `files`, `syscalls`.
    """
    os.nice(_NICENESS)
    _limit_resources(limits)
    walls: dict[str, Callable[[], bool]] = {
        "network": _leave_network,
        "user": _drop_root,
        "files": lambda: _hide_files(readable),
        "syscalls": _refuse_system_calls,
    }
    # Only after dropping root: a change of user clears the signal of the parent's death.
    standing = ["limits"]
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
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    return os.geteuid() != 0


def _hide_files(readable: Iterable[str]) -> bool:
    attributes = struct.pack("Q", _LANDLOCK_ALL_V1)
    ruleset = _libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow_reading(ruleset, path)
        return bool(_libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow_reading(ruleset: int, path: str) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # a folder that is not there, or not ours to see, needs no leave
    rule = struct.pack("=Qi", _LANDLOCK_READ, folder)
    _libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, rule, 0)
    os.close(folder)


def _refuse_system_calls() -> bool:
    """Install a BPF filter (linux/filter.h): another architecture's call kills, a refused call returns EPERM."""
    machine = platform.machine()
    if machine not in _REFUSED:
        return False
    load, jump_if_equal, jump_if_at_least, give = 0x20, 0x15, 0x35, 0x06
    refused = _REFUSED[machine]
    program = [
        (load, 0, 0, 4),
        (jump_if_equal, 1, 0, _AUDIT_ARCH[machine]),
        (give, 0, 0, _KILL),
        (load, 0, 0, 0),
        (jump_if_at_least, len(refused) + 1, 0, 0x40000000),  # the x32 calls, other numbers for the same things
        *((jump_if_equal, len(refused) - i, 0, number) for i, number in enumerate(refused)),
        (give, 0, 0, _ALLOW),
        (give, 0, 0, _EPERM_RETURN),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    return bool(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0)
