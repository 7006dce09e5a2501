"""The seccomp filter of a vehicle: which calls trap, and how.

ALLOW costs nothing, a notification one hand-over to Python, TRAP (SIGSYS) the shim on top. A
notification serves wherever the answer is a number; TRAP where registers, the memory map or the
set of threads must change, and for everything an outer filter (Docker's) may refuse, because
ERRNO outranks a notification and TRAP outranks ERRNO.

Constant ALLOWs come before anything but the number is looked at: the host's kernel then answers
them from a bitmap, without running the filter.
"""

from __future__ import annotations

import struct

from ring3.abi.hints import Final
from ring3.abi.mman import MAP_ANONYMOUS
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.machine.native.protocol import SHIM_TEXT, SHIM_WINDOW

ALLOW: Final = 0x7FFF0000
NOTIFY: Final = 0x7FC00000
TRAP: Final = 0x00030000
AUDIT_X86_64: Final = 0xC000003E

NR, ARCH, IP_LOW, IP_HIGH = 0, 4, 8, 12


def arg_low(index: int) -> int:
    return 16 + 8 * index


OWN_MEMORY: Final = (
    "futex brk munmap mprotect mremap madvise msync mincore mlock munlock mlock2 mlockall"
    " munlockall membarrier sched_yield arch_prctl rseq futex_waitv"
).split()
"""Calls that concern the caller's own memory and registers alone."""

DATA: Final = "read write pread64 pwrite64 readv writev".split()
"""Data calls, free on granted descriptors."""

HARMLESS: Final = "clock_gettime clock_getres gettimeofday time getcpu getrandom".split()

FROM_SHIM: Final = (
    "mmap munmap rt_sigaction rt_sigreturn sigaltstack close exit exit_group clock_gettime"
    " read write close_range"
).split()
"""What the shim itself needs. A guest that maps its code into the window gains nothing by them."""

NOTIFIED: Final = (
    "getppid getpid gettid openat close newfstatat fstat lseek read write stat lstat open"
    " fcntl ioctl rt_sigaction rt_sigprocmask poll getdents64 access faccessat faccessat2"
    " readlink readlinkat pipe2 pipe dup dup2 dup3 wait4 waitid kill tgkill tkill getuid geteuid"
    " getgid getegid getpgrp getpgid setpgid getsid setsid statx statfs fstatfs getcwd chdir"
    " fchdir mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink"
    " symlinkat chmod fchmod fchmodat chown fchown lchown fchownat umask truncate ftruncate"
    " fallocate utimensat futimesat utime utimes epoll_wait epoll_pwait epoll_pwait2 epoll_ctl"
    " epoll_create1 epoll_create select pselect6 ppoll eventfd2 eventfd signalfd4 signalfd"
    " timerfd_create timerfd_settime timerfd_gettime nanosleep clock_nanosleep pause alarm"
    " setitimer getitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete"
    " rt_sigsuspend rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo sigaltstack"
    " socket socketpair connect accept accept4 bind listen sendto recvfrom sendmsg recvmsg"
    " sendmmsg recvmmsg shutdown getsockname getpeername setsockopt getsockopt readv writev"
    " pread64 pwrite64 preadv pwritev preadv2 pwritev2 sendfile splice tee vmsplice"
    " copy_file_range fsync fdatasync sync syncfs sync_file_range flock fadvise64 readahead"
    " getrlimit setrlimit prlimit64 getrusage times sysinfo uname getrandom prctl set_tid_address"
    " set_robust_list get_robust_list sched_getaffinity sched_setaffinity sched_getparam"
    " sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max"
    " sched_get_priority_min sched_rr_get_interval sched_getattr sched_setattr getpriority"
    " setpriority getresuid getresgid setuid setgid setreuid setregid setresuid setresgid"
    " setfsuid setfsgid getgroups setgroups capget capset inotify_init inotify_init1"
    " inotify_add_watch inotify_rm_watch getxattr lgetxattr fgetxattr setxattr lsetxattr"
    " fsetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr"
    " memfd_create exit exit_group mmap futex clock_gettime clock_getres gettimeofday time"
    " getcpu shmget shmctl semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open"
    " mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr getdents mknod mknodat creat"
    " fchmodat2 close_range openat2 epoll_ctl_old"
).split()
"""Calls that Docker's default profile lets through and whose answer is a number."""

BY_CLOCK: Final = ("clock_gettime", "clock_getres")
"""A negative clock id names a process or thread by the kernel's own number: notified."""

FUTEX_COMMAND: Final = 0x7F
FUTEX_FREE: Final = (0, 1, 3, 4, 5, 9, 10)
"""WAIT WAKE REQUEUE CMP_REQUEUE WAKE_OP WAIT_BITSET WAKE_BITSET; the rest (PI) names thread ids,
which are the kernel's own."""

MAP_FIXED_ANY: Final = 0x100010


class Assembler:
    """Classic BPF with labels; jumps go forward only."""

    def __init__(self) -> None:
        self.code: list[tuple[int, str | None, str | None, int]] = []
        self.labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        self.labels[name] = len(self.code)

    def load(self, offset: int) -> None:
        self.code.append((0x20, None, None, offset))

    def mask(self, bits: int) -> None:
        self.code.append((0x54, None, None, bits))

    def ret(self, action: int) -> None:
        self.code.append((0x06, None, None, action))

    def jump(self, op: int, value: int, yes: str | None, no: str | None = None) -> None:
        """Conditional jump; None falls through."""
        self.code.append((op, yes, no, value))

    def equal(self, value: int, yes: str | None, no: str | None = None) -> None:
        self.jump(0x15, value, yes, no)

    def at_least(self, value: int, yes: str | None, no: str | None = None) -> None:
        self.jump(0x35, value, yes, no)

    def any_bit(self, value: int, yes: str | None, no: str | None = None) -> None:
        self.jump(0x45, value, yes, no)

    def assemble(self) -> bytes:
        # A conditional jump reaches 255 instructions; a farther label gets a "ja" behind it.
        while True:
            far = self.first_far_jump()
            if far is None:
                break
            op, yes, no, value = self.code[far]
            if self.reach(far, yes) > 250:
                self.code[far] = (op, "@next", no or "@skip", value)
                self.code.insert(far + 1, (0x05, yes, None, 0))
            elif yes == "@next":  # its own "ja" stands behind it already
                self.code[far] = (op, yes, "@skip", value)
                far += 1
                self.code.insert(far + 1, (0x05, no, None, 0))
            else:
                self.code[far] = (op, yes or "@skip", "@next", value)
                self.code.insert(far + 1, (0x05, no, None, 0))
            for name, at in self.labels.items():
                if at > far:
                    self.labels[name] = at + 1
        out = b""
        for i, (op, yes, no, value) in enumerate(self.code):
            if op == 0x05:
                out += struct.pack("<HBBI", op, 0, 0, self.labels[yes or ""] - i - 1)
            else:
                out += struct.pack("<HBBI", op, self.reach(i, yes), self.reach(i, no), value)
        return out

    def reach(self, at: int, label: str | None) -> int:
        if label is None or label == "@next":
            return 0
        return 1 if label == "@skip" else self.labels[label] - at - 1

    def first_far_jump(self) -> int | None:
        for i, (op, yes, no, _value) in enumerate(self.code):
            if op != 0x05 and (self.reach(i, yes) > 250 or self.reach(i, no) > 250):
                return i
        return None


def build(profile: str) -> bytes:
    """The filter program of *profile*: "fast" lets data and memory calls through, "full" none."""
    asm = Assembler()
    free = [*DATA, *OWN_MEMORY, *HARMLESS] if profile == "fast" else []
    asm.load(ARCH)
    asm.equal(AUDIT_X86_64, None, "trap")
    asm.load(NR)
    for name in free:
        if name != "futex" and name not in BY_CLOCK:
            asm.equal(NUMBERS[name], "allow")
    asm.load(IP_HIGH)
    asm.equal(SHIM_TEXT >> 32, None, "guest")
    asm.load(IP_LOW)
    asm.at_least(SHIM_WINDOW, "guest")
    asm.load(NR)
    for name in dict.fromkeys([*FROM_SHIM, *OWN_MEMORY, *HARMLESS]):
        asm.equal(NUMBERS[name], "allow")
    asm.equal(NUMBERS["prctl"], None, "notify")
    asm.load(arg_low(0))
    asm.equal(1, None, "notify")  # PR_SET_PDEATHSIG, SIGKILL
    asm.load(arg_low(1))
    asm.equal(9, "allow", "notify")
    asm.label("guest")
    asm.load(NR)
    if profile == "fast":
        asm.equal(NUMBERS["futex"], "futex")
        asm.equal(NUMBERS["mmap"], "mmap")
        for name in BY_CLOCK:
            asm.equal(NUMBERS[name], "clock")
    for name in NOTIFIED:
        if name in NUMBERS and name not in free and not (profile == "full" and in_vehicle(name)):
            asm.equal(NUMBERS[name], "notify")
    asm.ret(TRAP)
    asm.label("mmap")
    asm.load(arg_low(3))
    asm.any_bit(MAP_ANONYMOUS, None, "notify")
    asm.any_bit(MAP_FIXED_ANY, "notify", "allow")
    asm.label("clock")
    asm.load(arg_low(0))
    asm.any_bit(1 << 31, "notify", "allow")
    asm.label("futex")
    asm.load(arg_low(1))
    asm.mask(FUTEX_COMMAND)
    for command in FUTEX_FREE:
        asm.equal(command, "allow")
    asm.label("notify")
    asm.ret(NOTIFY)
    asm.label("allow")
    asm.ret(ALLOW)
    asm.label("trap")
    asm.ret(TRAP)
    return asm.assemble()


def in_vehicle(name: str) -> bool:
    """Calls only the vehicle itself can do: seen in full they come by way of the shim, so that
    their result is known."""
    return name in OWN_MEMORY or name == "mmap"
