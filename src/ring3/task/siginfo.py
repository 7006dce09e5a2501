"""siginfo_t: what a signal carries, and how it lies in user memory of either ABI.

Source: include/uapi/asm-generic/siginfo.h; ``siginfo_layout`` in kernel/signal.c.
"""

from __future__ import annotations

import struct

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.signal import (
    SI_KERNEL,
    SI_SIGIO,
    SI_TIMER,
    SI_TKILL,
    SI_USER,
    SIGBUS,
    SIGCHLD,
    SIGFPE,
    SIGILL,
    SIGPOLL,
    SIGSEGV,
    SIGSYS,
    SIGTRAP,
)

if TYPE_CHECKING:
    from ring3.task.task import Task

SIZE: Final = 128
"""Bytes of a siginfo_t, in both ABIs."""

HEAD = struct.Struct("<iii")
# The union after the head, by layout name and word size. 64-bit unions start at offset 16.
UNION = {
    ("kill", 64): struct.Struct("<4xiI"),
    ("kill", 32): struct.Struct("<iI"),
    ("timer", 64): struct.Struct("<4xiiQ"),
    ("timer", 32): struct.Struct("<iiI"),
    ("rt", 64): struct.Struct("<4xiIQ"),
    ("rt", 32): struct.Struct("<iII"),
    ("chld", 64): struct.Struct("<4xiIi4xqq"),
    ("chld", 32): struct.Struct("<iIiii"),
    ("fault", 64): struct.Struct("<4xQh"),
    ("fault", 32): struct.Struct("<Ih"),
    ("poll", 64): struct.Struct("<4xqi"),
    ("poll", 32): struct.Struct("<ii"),
    ("sys", 64): struct.Struct("<4xQiI"),
    ("sys", 32): struct.Struct("<IiI"),
}
FIELDS = {
    "kill": ("pid", "uid"),
    "timer": ("timerid", "overrun", "value"),
    "rt": ("pid", "uid", "value"),
    "chld": ("pid", "uid", "status", "utime", "stime"),
    "fault": ("addr", "addr_lsb"),
    "poll": ("band", "fd"),
    "sys": ("addr", "syscall", "arch"),
}
KERNEL_LAYOUTS = {
    SIGILL: "fault",
    SIGFPE: "fault",
    SIGSEGV: "fault",
    SIGBUS: "fault",
    SIGTRAP: "fault",
    SIGCHLD: "chld",
    SIGPOLL: "poll",
    SIGSYS: "sys",
}
UNSIGNED = frozenset(("uid", "value", "addr", "arch"))
HIGHEST_POLL_CODE = 6


class SigInfo:
    """One signal as it is queued and delivered."""

    __slots__ = (
        "addr",
        "addr_lsb",
        "arch",
        "band",
        "charge",
        "code",
        "errno",
        "error",
        "fd",
        "form",
        "overrun",
        "pid",
        "raw",
        "signo",
        "status",
        "stime",
        "syscall",
        "timer",
        "timerid",
        "trapno",
        "uid",
        "utime",
        "value",
    )

    def __init__(
        self,
        signo: int,
        code: int = SI_KERNEL,
        *,
        pid: int = 0,
        uid: int = 0,
        status: int = 0,
        utime: int = 0,
        stime: int = 0,
        value: int = 0,
        addr: int = 0,
        band: int = 0,
        fd: int = 0,
        timerid: int = 0,
        syscall: int = 0,
        arch: int = 0,
        trapno: int = 0,
        error: int = 0,
    ) -> None:
        self.signo = signo
        self.code = code
        self.errno = 0
        self.pid = pid
        self.uid = uid
        self.status = status
        self.utime = utime
        """utime and stime in clock ticks of 10 ms."""
        self.stime = stime
        self.value = value
        """union sigval as an unsigned word."""
        self.addr = addr
        self.addr_lsb = 0
        self.band = band
        self.fd = fd
        self.timerid = timerid
        self.overrun = 0
        self.syscall = syscall
        self.arch = arch
        self.trapno = trapno
        """Exception vector and error code, for the machine context of a handler's frame."""
        self.error = error
        self.form = ""
        """The member of the union where signal and code do not tell it (a child's exit signal
        other than SIGCHLD)."""
        self.raw = b""
        """The 128 bytes a program gave to rt_sigqueueinfo(2); they are passed on as they are."""
        self.timer: Any = None
        """The POSIX timer this comes from: told when the signal is taken."""
        self.charge: SignalUser | None = None
        """Whose RLIMIT_SIGPENDING this entry counts against while queued."""

    @classmethod
    def user(cls, signo: int, sender: Task) -> SigInfo:
        """What kill(2) sends."""
        return cls(signo, SI_USER, pid=sender.process.pid, uid=sender.cred.uid)

    @classmethod
    def tkill(cls, signo: int, sender: Task) -> SigInfo:
        """What tkill(2) and tgkill(2) send."""
        return cls(signo, SI_TKILL, pid=sender.process.pid, uid=sender.cred.uid)

    @property
    def layout(self) -> str:
        """Which member of the union is in use (a key of FIELDS)."""
        if self.form:
            return self.form
        code = self.code
        if SI_USER < code < SI_KERNEL:
            known = KERNEL_LAYOUTS.get(self.signo)
            if known is not None:
                return known
            return "poll" if code <= HIGHEST_POLL_CODE else "kill"
        if code == SI_TIMER:
            return "timer"
        if code == SI_SIGIO:
            return "poll"
        return "rt" if code < 0 else "kill"

    def pack(self, word: int) -> bytes:
        """The siginfo_t, 128 bytes, for a program whose pointers have *word* bits."""
        if self.raw and word == 64:
            return self.raw
        layout = self.layout
        if word == 32 and layout == "chld" and self.signo != SIGCHLD:
            layout = "kill"  # copy_siginfo_to_user32 goes by the signal and the code alone
        packer = UNION[layout, word]
        values = [self._field(name, word) for name in FIELDS[layout]]
        data = HEAD.pack(self.signo, self.errno, self.code) + packer.pack(*values)
        return data + bytes(SIZE - len(data))

    def _field(self, name: str, word: int) -> int:
        value: int = getattr(self, name)
        if name in ("uid", "arch"):
            return value & 0xFFFFFFFF
        if name in ("value", "addr"):
            return value & ((1 << word) - 1)
        if word == 32:
            return (value & 0xFFFFFFFF ^ 1 << 31) - (1 << 31)
        return value

    @classmethod
    def unpack(cls, data: bytes, word: int) -> SigInfo:
        """The siginfo_t a program gave; it is kept whole besides being taken apart."""
        signo, errno, code = HEAD.unpack_from(data)
        info = cls(signo, code)
        info.errno = errno
        layout = info.layout
        packer = UNION[layout, word]
        for name, value in zip(FIELDS[layout], packer.unpack_from(data, HEAD.size), strict=True):
            setattr(info, name, value)
        if word == 64:
            info.raw = data[:SIZE].ljust(SIZE, b"\0")
        return info

    def __repr__(self) -> str:
        return f"SigInfo({self.signo}, code={self.code}, {self.layout})"


class SignalUser:
    """How many signals are queued for the processes of one user (RLIMIT_SIGPENDING)."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0
