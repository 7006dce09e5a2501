"""The seccomp filter, executed by a small interpreter for every call number of both ABIs.

What a guest may reach on the host without the kernel is stated here a second time, on purpose: a
line that is added to the filter has to be added, and thought about, here too.
"""

from __future__ import annotations

import struct

import pytest

from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.machine.native.filter import ALLOW, AUDIT_X86_64, NOTIFY, TRAP, build
from ring3.machine.native.protocol import SHIM_TEXT, SHIM_WINDOW

AUDIT_I386 = 0x40000003
X32 = 0x40000000
PROFILES = ("fast", "full")
GUEST_IPS = (0x401000, 0x7F0012345678, SHIM_TEXT + SHIM_WINDOW, SHIM_TEXT - 1, 0x10, 1 << 32)
SHIM_IPS = (SHIM_TEXT, SHIM_TEXT + SHIM_WINDOW - 1)

ALWAYS_FREE = frozenset(
    (
        "read write pread64 pwrite64 readv writev"  # on granted descriptors
        " brk munmap mprotect mremap madvise msync mincore mlock munlock mlock2 mlockall"
        " munlockall membarrier sched_yield arch_prctl rseq futex_waitv"  # one's own memory
        " gettimeofday time getcpu getrandom"
    ).split()
)
BY_ARGUMENT = frozenset("mmap futex clock_gettime clock_getres".split())
SHIM_FREE = frozenset(
    (
        "mmap rt_sigaction rt_sigreturn sigaltstack close exit exit_group clock_gettime read write"
        " close_range futex brk munmap mprotect mremap madvise msync mincore mlock munlock mlock2"
        " mlockall munlockall membarrier sched_yield arch_prctl rseq futex_waitv clock_getres"
        " gettimeofday time getcpu getrandom"
    ).split()
)
NEVER_BY_NOTIFICATION = (
    "clone clone3 fork vfork execve execveat rt_sigreturn unshare setns mount bpf ptrace"
    " io_uring_setup process_vm_readv process_vm_writev seccomp userfaultfd keyctl kexec_load"
    " modify_ldt pidfd_open pidfd_getfd init_module reboot"
).split()
"""They need registers changed, or an outer filter may refuse them: SIGSYS outranks its answer."""
NAMES = {number: name for name, number in NUMBERS.items()}
EVERY_NUMBER = [*range(600), 1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def evaluate(program: bytes, data: bytes) -> int:
    """Run a classic BPF program over struct seccomp_data *data*; fails on what Linux refuses."""
    code = list(struct.iter_unpack("<HBBI", program))
    assert 0 < len(code) <= 4096
    at = accumulator = 0
    while True:
        op, yes, no, value = code[at]
        at += 1
        if op == 0x20:
            assert value % 4 == 0 and value <= len(data) - 4
            accumulator = int.from_bytes(data[value : value + 4], "little")
        elif op == 0x54:
            accumulator &= value
        elif op == 0x06:
            return int(value)
        elif op == 0x05:
            at += value
        elif op == 0x15:
            at += yes if accumulator == value else no
        elif op == 0x35:
            at += yes if accumulator >= value else no
        elif op == 0x45:
            at += yes if accumulator & value else no
        else:
            raise AssertionError(f"instruction {op:#x}")


@pytest.fixture(scope="module", params=PROFILES)
def program(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    return request.param, build(request.param)


def ask(program: bytes, nr: int, *args: int, arch: int = AUDIT_X86_64, ip: int = 0x401000) -> int:
    padded = [a & (1 << 64) - 1 for a in args] + [0] * (6 - len(args))
    return evaluate(program, struct.pack("<IIQ6Q", nr, arch, ip, *padded))


def test_every_number_of_a_guest(program: tuple[str, bytes]) -> None:
    profile, code = program
    for nr in EVERY_NUMBER:
        name = NAMES.get(nr, "")
        for ip in GUEST_IPS:
            answer = ask(code, nr, ip=ip)
            assert answer in (ALLOW, NOTIFY, TRAP), (name or nr, answer)
            if name in BY_ARGUMENT and profile == "fast":
                continue
            free = profile == "fast" and name in ALWAYS_FREE
            assert (answer == ALLOW) == free, (profile, name or nr, hex(ip))


def test_every_number_of_the_shim(program: tuple[str, bytes]) -> None:
    profile, code = program
    for nr in EVERY_NUMBER:
        name = NAMES.get(nr, "")
        free = name in SHIM_FREE or (profile == "fast" and name in ALWAYS_FREE)
        for ip in SHIM_IPS:
            answer = ask(code, nr, ip=ip)
            assert answer == (ALLOW if free else NOTIFY), (profile, name or nr)


def test_i386_and_x32_numbers_are_trapped_wherever_they_come_from(
    program: tuple[str, bytes],
) -> None:
    code = program[1]
    for nr in EVERY_NUMBER:
        for ip in (*GUEST_IPS, *SHIM_IPS):
            assert ask(code, nr, arch=AUDIT_I386, ip=ip) == TRAP, nr
        if nr < X32:
            assert ask(code, nr | X32) == TRAP, nr


def test_unknown_numbers_and_dangerous_calls_are_trapped(program: tuple[str, bytes]) -> None:
    code = program[1]
    for nr in EVERY_NUMBER:
        if nr not in NAMES:
            assert ask(code, nr) == TRAP, nr
    for name in NEVER_BY_NOTIFICATION:
        assert ask(code, NUMBERS[name]) == TRAP, name


def test_prctl_of_the_shim_may_only_ask_to_die_with_the_kernel(program: tuple[str, bytes]) -> None:
    code, prctl, ip = program[1], NUMBERS["prctl"], SHIM_TEXT
    assert ask(code, prctl, 1, 9, ip=ip) == ALLOW
    for args in ((1, 0), (1, 15), (4, 0), (22, 0), (59, 1), (38, 0), (0, 9)):
        assert ask(code, prctl, *args, ip=ip) == NOTIFY, args
    assert ask(code, prctl, 1, 9) == NOTIFY  # from a guest


def test_arguments_that_decide_in_fast() -> None:
    code = build("fast")
    anonymous, shared, fixed, no_replace = 0x20, 0x01, 0x10, 0x100000
    mmap, futex = NUMBERS["mmap"], NUMBERS["futex"]
    for flags in (anonymous | 2, anonymous | shared):
        assert ask(code, mmap, 0, 4096, 3, flags) == ALLOW
    for flags in (0, 2, shared, anonymous | fixed, anonymous | no_replace, fixed):
        assert ask(code, mmap, 0, 4096, 3, flags) == NOTIFY
    priority_inheriting = {6, 7, 8, 11, 12, 13}
    for command in range(16):
        for option in (0, 0x80, 0x100, 0x180):
            free = command not in priority_inheriting and command in (0, 1, 3, 4, 5, 9, 10)
            assert ask(code, futex, 0x1000, command | option) == (ALLOW if free else NOTIFY)
    for name in ("clock_gettime", "clock_getres"):
        for clock in (0, 1, 5, 11):
            assert ask(code, NUMBERS[name], clock) == ALLOW
        for clock in (-1, -6, ~1234 << 3):
            assert ask(code, NUMBERS[name], clock & 0xFFFFFFFF) == NOTIFY


def test_constant_answers_look_at_the_number_alone() -> None:
    """The host keeps a bitmap of calls that it need not run the filter for: a program qualifies
    for a number if it returns ALLOW having read nothing but the number and the ABI."""
    code = list(struct.iter_unpack("<HBBI", build("fast")))
    for name in ("read", "write", "pread64", "munmap", "madvise", "sched_yield"):
        at = accumulator = 0
        while True:
            op, yes, no, value = code[at]
            at += 1
            if op == 0x20:
                assert value in (0, 4), f"{name} reads offset {value}"
                accumulator = NUMBERS[name] if value == 0 else AUDIT_X86_64
            elif op == 0x15:
                at += yes if accumulator == value else no
            elif op == 0x05:
                at += value
            else:
                assert (op, value) == (0x06, ALLOW), name
                break
