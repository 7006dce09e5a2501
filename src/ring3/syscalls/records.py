"""C structs that several call families share."""

from __future__ import annotations

from ring3.abi.errno import EINVAL
from ring3.abi.hints import TYPE_CHECKING, Annotated
from ring3.abi.types import Packed, Record

if TYPE_CHECKING:
    from ring3.task.resources import Usage

MICROSECOND_NS = 1000
SECOND_NS = 1_000_000_000


class Timespec64(Record):
    """struct __kernel_timespec: 64-bit seconds in both ABIs (the ..._time64 calls of i386)."""

    LAYOUT = "__kernel_timespec"
    FIELDS = {"sec": "tv_sec", "nsec": "tv_nsec"}
    __slots__ = ("nsec", "sec")
    sec: int
    nsec: int

    @classmethod
    def of(cls, ns: int) -> Timespec64:
        return cls(ns // SECOND_NS, ns % SECOND_NS)

    def ns(self) -> int:
        """Nanoseconds in all; EINVAL for what Linux refuses."""
        if self.sec < 0 or not 0 <= self.nsec < SECOND_NS:
            raise EINVAL("timespec out of range")
        return self.sec * SECOND_NS + self.nsec


class Rusage(Record):
    """struct rusage; what is not named here is zero on Linux too."""

    LAYOUT = "rusage"
    FIELDS = {
        "utime_sec": "ru_utime.tv_sec",
        "utime_usec": "ru_utime.tv_usec",
        "stime_sec": "ru_stime.tv_sec",
        "stime_usec": "ru_stime.tv_usec",
        "maxrss": "ru_maxrss",
        "minflt": "ru_minflt",
        "majflt": "ru_majflt",
        "inblock": "ru_inblock",
        "oublock": "ru_oublock",
        "nvcsw": "ru_nvcsw",
        "nivcsw": "ru_nivcsw",
    }
    __slots__ = tuple(FIELDS)

    @classmethod
    def of(cls, usage: Usage) -> Rusage:
        return cls(
            usage.user_ns // SECOND_NS,
            usage.user_ns % SECOND_NS // MICROSECOND_NS,
            usage.system_ns // SECOND_NS,
            usage.system_ns % SECOND_NS // MICROSECOND_NS,
            usage.maxrss,
            usage.minflt,
            usage.majflt,
            usage.inblock,
            usage.oublock,
            usage.nvcsw,
            usage.nivcsw,
        )


WaitInfo = Annotated[
    "tuple[int, int, int, int, int, int]",
    Packed["tuple[int, int, int, int, int, int]"]("iii4xiIi", "iiiiIi", kind="siginfo"),
]
"""The part of siginfo_t that waitid(2) fills: signo, errno, code, pid, uid, status."""
