"""A filter of system calls (seccomp, linux/filter.h), for the one process that installs it."""

import ctypes
import os
import platform
import struct
from collections.abc import Iterator

from rag.parse.syscalls import ARCHITECTURES, FIRST_UNKNOWN, REFUSED, RESTRICTED, numbers

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _GIVE = 0x20, 0x15, 0x35, 0x06
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050000 | 1, 0x00050000 | 38

# fcntl and ioctl name whom a descriptor signals (F_SETOWN, F_SETSIG, F_SETOWN_EX, F_NOTIFY; FIOSETOWN, SIOCSPGRP); ioctl
# also types into a terminal (TIOCSTI, TIOCLINUX).
_REFUSED_COMMANDS = {"fcntl": (8, 10, 15, 1026), "ioctl": (0x8901, 0x8902, 0x5412, 0x541C)}

Step = tuple[int, int, int, int]


def refuse_system_calls() -> bool:
    """Install the filter. False where the kernel, or this table, does not know how."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        return False
    steps = program(machine, os.getpid())
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0)


def program(machine: str, own_pid: int) -> list[Step]:
    """Return the filter's steps (code, jump if true, jump if false, operand).

    Another architecture's call kills; a refused one returns EPERM; one that this table is too old for returns ENOSYS, as
    an older kernel would.
    """
    steps: list[Step] = [
        _load(4),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_GIVE, 0, 0, KILL),
        _load(0),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_GIVE, 0, 0, EPERM),
        (_AT_LEAST, 0, 1, FIRST_UNKNOWN),
        (_GIVE, 0, 0, ENOSYS),
    ]
    for name, number in numbers(RESTRICTED, machine).items():
        check = list(_restriction(name, own_pid))
        steps += [(_EQUAL, 0, len(check), number), *check]
    refused = sorted(numbers(REFUSED, machine).values())
    steps += [(_EQUAL, len(refused) - i, 0, number) for i, number in enumerate(refused)]
    return [*steps, (_GIVE, 0, 0, ALLOW), (_GIVE, 0, 0, EPERM)]


def _restriction(name: str, own_pid: int) -> Iterator[Step]:
    """Judge the arguments. The kernel reads only the low half of a process id or command."""
    if name in _REFUSED_COMMANDS:
        commands = _REFUSED_COMMANDS[name]
        yield _load_argument(1)
        yield from ((_EQUAL, len(commands) - i, 0, command) for i, command in enumerate(commands))
        yield (_GIVE, 0, 0, ALLOW)
    elif name == "prlimit64":
        # The new limit's address must be nil: what is left is to ask for one's own.
        yield _load_argument(0)
        yield (_EQUAL, 0, 5, 0)
        yield _load_argument(2)
        yield (_EQUAL, 0, 3, 0)
        yield _load_argument(2, high=True)
        yield (_EQUAL, 0, 1, 0)
        yield (_GIVE, 0, 0, ALLOW)
    else:
        # kill, tkill, tgkill: to itself, for abort().
        yield _load_argument(0)
        yield (_EQUAL, 0, 1, own_pid)
        yield (_GIVE, 0, 0, ALLOW)
    yield (_GIVE, 0, 0, EPERM)


def _load(offset: int) -> Step:
    return (_LOAD, 0, 0, offset)


def _load_argument(index: int, *, high: bool = False) -> Step:
    """Load half an argument out of `struct seccomp_data`; both architectures are little endian."""
    return _load(16 + 8 * index + 4 * high)
