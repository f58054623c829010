"""Start one program that dies with its parent; run by path with ``python -I -S`` so that it costs milliseconds.

    launch.py DEATH_SIGNAL PARENT_PID UID GID -- PROGRAM [ARGUMENT...]

UID and GID are numbers, or ``-`` to stay who we are. A changed user keeps one right, ``CAP_DAC_READ_SEARCH``, where
root has it to give: the program and its data may then lie under a folder that only root can enter, and no mode changes.
Sources: prctl(2), capabilities(7) "ambient set", capset(2).
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _prctl(libc: ctypes.CDLL, option: int, argument: int, second: int = 0) -> None:
    if libc.prctl(option, *map(ctypes.c_ulong, (argument, second, 0, 0))) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {argument})")


def _become(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    _prctl(libc, PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    header, sets = _Header(CAPABILITY_VERSION_3, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    kept = sets[0].permitted & (1 << CAP_DAC_READ_SEARCH)
    if libc.capset(ctypes.byref(header), (_Sets * 2)(_Sets(kept, kept, kept), _Sets(0, 0, 0))) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    if kept:
        _prctl(libc, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH)


def main(arguments: list[str]) -> None:
    """Drop to the account, tie the process to its parent, become the program."""
    death_signal, parent, uid, gid, _, *command = arguments
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if uid != "-":
            _become(libc, int(uid), int(gid))
        # After the change of user, which clears it.
        _prctl(libc, PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != int(parent):
            sys.exit("the parent ended before its child began")
    elif uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
