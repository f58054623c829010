"""A hostile child: puts up the walls it is told to keep, tries to get out, and prints what each attempt came to.

Arguments: the package's root, `as started` or `ordinary`, a folder to write to, and the walls to keep, comma-separated.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])
from rag.parse import confine, syscalls
from rag.parse.contract import ParseLimits

MIB = 1 << 20
PTRACE_SEIZE, CLONE_NEWUSER, RLIMIT_NOFILE = 0x4206, 0x10000000, 7
libc = ctypes.CDLL(None, use_errno=True)
machine = os.uname().machine
number = syscalls.numbers(syscalls.REFUSED, machine) | syscalls.numbers(syscalls.RESTRICTED, machine)


def call(name: str, *arguments: Any) -> int:
    """Make a system call by name; a call this architecture does not have counts as refused."""
    if name not in number:
        raise PermissionError(errno.EPERM, name)
    result: int = libc.syscall(number[name], *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def start_victim() -> int:
    """Return the id of a process of the same user that ends with this one."""
    read_end, write_end = os.pipe()
    ready, tell_ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write_end)
        os.close(1)
        libc.prctl(4, 1, 0, 0, 0)
        os.write(tell_ready, b".")
        os.read(read_end, 1)
        os._exit(0)
    os.read(ready, 1)
    return pid


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def raise_a_limit() -> None:
    """Use up the second between the soft limit of CPU time and the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if libc.setrlimit(resource.RLIMIT_CPU, (ctypes.c_uint64 * 2)(hard, hard)) != 0:
        raise OSError(ctypes.get_errno(), "setrlimit")


def write(path: Path) -> None:
    with path.open("w"):
        pass


def attempts(victim: int, folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what to try, by name."""
    mine, new = folder / "mine", folder / "escaped"
    limit = (ctypes.c_uint64 * 2)(10, 10)
    word = ctypes.create_string_buffer(8)
    info = ctypes.create_string_buffer(128)
    return {
        "socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "socketpair": socket.socketpair,
        "fork": fork,
        "clone": lambda: call("clone", 0x11, 0, 0, 0, 0) or os._exit(0),
        "exec": lambda: os.execv("/bin/nothing", ["nothing"]),
        "kill": lambda: os.kill(victim, 0),
        "kill all": lambda: os.kill(-1, 0),
        "kill group": lambda: os.kill(0, 0),
        "tkill": lambda: call("tkill", victim, 0),
        "tgkill": lambda: call("tgkill", victim, victim, 0),
        "rt_sigqueueinfo": lambda: call("rt_sigqueueinfo", victim, 0, info),
        "rt_tgsigqueueinfo": lambda: call("rt_tgsigqueueinfo", victim, victim, 0, info),
        "pidfd_open": lambda: call("pidfd_open", victim, 0),
        "pidfd_send_signal": lambda: call("pidfd_send_signal", 0, 0, None, 0),
        "own a descriptor": lambda: fcntl.fcntl(1, fcntl.F_SETOWN, victim),
        "raise a limit": raise_a_limit,
        "another's limit": lambda: call("prlimit64", victim, RLIMIT_NOFILE, limit, None),
        "priority": lambda: os.setpriority(os.PRIO_PROCESS, victim, 19),
        "outlive the parent": lambda: libc.prctl(1, 0, 0, 0, 0) and call("prctl", 1, 0, 0, 0, 0),
        "read memory": lambda: call("process_vm_readv", victim, None, 0, None, 0, 0),
        "ptrace": lambda: call("ptrace", PTRACE_SEIZE, victim, 0, 0),
        "shmget": lambda: call("shmget", 0, MIB, 0o1600),
        "semget": lambda: call("semget", 0, 1, 0o1600),
        "msgget": lambda: call("msgget", 0, 0o1600),
        "mq_open": lambda: call("mq_open", b"lyceum", os.O_CREAT | os.O_RDWR, 0o600, None),
        "memfd": lambda: call("memfd_create", b"x", 0),
        "keyctl": lambda: call("keyctl", 0, -3, 1),
        "bpf": lambda: call("bpf", 0, word, 8),
        "perf": lambda: call("perf_event_open", word, 0, -1, -1, 0),
        "userfaultfd": lambda: call("userfaultfd", 1),
        "io_uring": lambda: call("io_uring_setup", 1, None),
        "unshare": lambda: call("unshare", CLONE_NEWUSER),
        "setns": lambda: call("setns", 0, 0),
        "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "move_mount": lambda: call("move_mount", -1, b"", -1, b"", 0),
        "chmod": lambda: mine.chmod(0o777),
        "truncate": lambda: os.truncate(mine, 0),
        "read": lambda: Path("/etc/passwd").read_bytes(),
        "list": lambda: list(Path("/").iterdir()),
        "write": lambda: write(new),
        "overwrite": lambda: write(mine),
        "remove": mine.unlink,
        "memory": lambda: mmap.mmap(-1, 600 * MIB),
    }


def outcome(act: Callable[[], Any]) -> str:
    """Return `done`, or the name of the error."""
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "done"


def main() -> None:
    """Confine, try everything, print."""
    if sys.argv[2] == "ordinary" and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65533, 65533, 65533)
        os.setresuid(65533, 65533, 65533)
    kept = sys.argv[4].split(",")
    builders = ("_leave_network", "_drop_root", "_hide_files", "refuse_system_calls")
    for wall, builder in zip(("network", "user", "files", "syscalls"), builders, strict=True):
        if wall not in kept:
            setattr(confine, builder, lambda *_: False)
    folder = Path(sys.argv[3])
    (folder / "mine").write_bytes(b"")
    victim = start_victim()
    walls = confine.confine(ParseLimits(memory_bytes=512 * MIB), readable=("/usr/share/fonts",))
    results = {name: outcome(act) for name, act in attempts(victim, folder).items()}
    priority = os.getpriority(os.PRIO_PROCESS, 0)
    print(json.dumps({"walls": walls, "results": results, "uid": os.geteuid(), "nice": priority}))


main()
