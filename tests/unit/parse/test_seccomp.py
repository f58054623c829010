"""The filter's program, run step by step for both architectures, and the numbers it is made of."""

import platform
import re
from pathlib import Path

import pytest

from rag.parse import seccomp
from rag.parse.seccomp import ALLOW, ENOSYS, EPERM, KILL, program
from rag.parse.syscalls import ARCHITECTURES, FIRST_UNKNOWN, REFUSED, RESTRICTED, numbers

PID = 4242
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
# Out of the kernel's tables by hand: what must never be let through.
KNOWN = {
    "x86_64": {
        "socket": 41, "connect": 42, "bind": 49, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59,
        "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66, "shmdt": 67, "msgget": 68,
        "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "truncate": 76, "chmod": 90, "ptrace": 101, "rt_sigqueueinfo": 129,
        "pivot_root": 155, "prctl": 157, "setrlimit": 160, "chroot": 161, "mount": 165, "umount2": 166,
        "semtimedop": 220, "mq_open": 240, "mq_unlink": 241, "mq_timedsend": 242, "mq_timedreceive": 243,
        "mq_notify": 244, "mq_getsetattr": 245, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250,
        "unshare": 272, "rt_tgsigqueueinfo": 297, "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308,
        "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321, "execveat": 322, "userfaultfd": 323,
    },
    "aarch64": {
        "mount": 40, "umount2": 39, "pivot_root": 41, "truncate": 45, "chroot": 51, "fchmodat": 53, "unshare": 97,
        "kexec_load": 104, "ptrace": 117, "rt_sigqueueinfo": 138, "setrlimit": 164, "prctl": 167, "mq_open": 180,
        "mq_unlink": 181, "mq_timedsend": 182, "mq_timedreceive": 183, "mq_notify": 184, "mq_getsetattr": 185,
        "msgget": 186, "msgctl": 187, "msgrcv": 188, "msgsnd": 189, "semget": 190, "semctl": 191, "semtimedop": 192,
        "semop": 193, "shmget": 194, "shmctl": 195, "shmat": 196, "shmdt": 197, "socket": 198, "socketpair": 199,
        "bind": 200, "connect": 203, "add_key": 217, "request_key": 218, "keyctl": 219, "clone": 220, "execve": 221,
        "rt_tgsigqueueinfo": 240, "perf_event_open": 241, "open_by_handle_at": 265, "setns": 268,
        "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280, "execveat": 281, "userfaultfd": 282,
    },
}  # fmt: skip
ALIKE = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435,
    "pidfd_getfd": 438, "mount_setattr": 442,
}  # fmt: skip
# read, write, close, fstat, mmap, munmap, brk, rt_sigaction, futex, exit_group, openat, lseek
HARMLESS = {
    "x86_64": (0, 1, 3, 5, 9, 11, 12, 13, 202, 231, 257, 8),
    "aarch64": (63, 64, 57, 80, 222, 215, 214, 134, 98, 94, 56, 62),
}
DESCRIPTOR_CALLS = {
    "fcntl": ((1030, 1, 3), (8, 10, 15, 1026)),
    "ioctl": ((0x5401, 0x5451), (0x8901, 0x8902, 0x5412, 0x541C)),
}


def verdict(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """Run the filter on one call, as the kernel would."""
    steps, at, accumulator = program(machine, PID), 0, 0
    words = [number, AUDIT_ARCH[machine] if arch is None else arch, 0, 0]
    for argument in (*arguments, *[0] * (6 - len(arguments))):
        words += [argument & 0xFFFFFFFF, argument >> 32 & 0xFFFFFFFF]
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        if code == 0x20:
            accumulator = words[operand // 4]
        elif code == 0x06:
            return operand
        else:
            holds = accumulator == operand if code == 0x15 else accumulator >= operand
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_what_must_not_pass_is_refused(machine: str) -> None:
    for number in (KNOWN[machine] | ALIKE).values():
        assert verdict(machine, number) == EPERM
    for number in numbers(REFUSED, machine).values():
        assert verdict(machine, number) == EPERM


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_what_parsers_need_passes(machine: str) -> None:
    assert {verdict(machine, number) for number in HARMLESS[machine]} == {ALLOW}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_numbers_are_the_kernels(machine: str) -> None:
    table = numbers(REFUSED | RESTRICTED, machine)
    assert {name: table.get(name) for name in KNOWN[machine] | ALIKE} == KNOWN[machine] | ALIKE
    if not HEADERS[machine].exists():
        return
    pattern = r"#define __NR(?:3264)?_(\w+)\s+(\d+)"
    header = {name: int(number) for name, number in re.findall(pattern, HEADERS[machine].read_text())}
    assert {name: header.get(name) for name in table} == table


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("name", ["kill", "tkill", "tgkill"])
def test_signals_reach_only_oneself(machine: str, name: str) -> None:
    number = numbers(RESTRICTED, machine)[name]
    assert verdict(machine, number, PID, PID, 6) == ALLOW
    for target in (0, 1, PID + 1, 2**64 - 1, 2**64 - PID):
        assert verdict(machine, number, target, PID, 6) == EPERM


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_limits_may_be_read_and_not_set(machine: str) -> None:
    number = numbers(RESTRICTED, machine)["prlimit64"]
    assert verdict(machine, number, 0, 7, 0, 0x7FFF0000) == ALLOW
    for pid, new in ((0, 0x7000), (0, 0x7000 << 32), (1, 0), (PID + 1, 0)):
        assert verdict(machine, number, pid, 7, new, 0) == EPERM


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("name", DESCRIPTOR_CALLS)
def test_descriptors_signal_nobody(machine: str, name: str) -> None:
    number = numbers(RESTRICTED, machine)[name]
    harmless, refused = DESCRIPTOR_CALLS[name]
    assert {verdict(machine, number, 1, command) for command in harmless} == {ALLOW}
    assert {verdict(machine, number, 1, command) for command in refused} == {EPERM}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_other_ways_in_are_shut(machine: str) -> None:
    assert verdict(machine, 0, arch=0x40000003) == KILL
    assert verdict(machine, 0x40000000 | 39) == EPERM
    assert verdict(machine, FIRST_UNKNOWN) == verdict(machine, 470) == ENOSYS


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_jumps_fit_their_byte(machine: str) -> None:
    steps = program(machine, PID)
    assert max(max(step[1:3]) for step in steps) <= 255
    assert len(steps) <= 4096


def test_another_architecture_has_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert not seccomp.refuse_system_calls()
