"""What vehicles have used, as the host counts it (proc(5)).

A clock of another process's thread cannot be read (its clock id is EINVAL), so threads are looked
up in /proc; the clock of a whole process can.
"""

from __future__ import annotations

import time

TICK_NS = 10_000_000
NS = 1_000_000_000


class HostUsage:
    """A live process, in the fields that resource.struct_rusage has too."""

    __slots__ = (
        "ru_inblock",
        "ru_majflt",
        "ru_maxrss",
        "ru_minflt",
        "ru_nivcsw",
        "ru_nvcsw",
        "ru_oublock",
        "ru_stime",
        "ru_utime",
    )

    def __init__(self, user_s: float, system_s: float, peak_kb: int) -> None:
        self.ru_utime = user_s
        self.ru_stime = system_s
        self.ru_maxrss = peak_kb
        self.ru_minflt = self.ru_majflt = 0
        self.ru_inblock = self.ru_oublock = 0
        self.ru_nvcsw = self.ru_nivcsw = 0


def read(path: str) -> bytes:
    """A file of /proc, b"" if the process is gone."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def stat_fields(path: str) -> list[bytes]:
    """The fields of a stat file from the state on (field 3 of proc(5)), [] if it is gone."""
    return read(path).rpartition(b")")[2].split()


def process_clock_ns(pid: int) -> int:
    """User and system time of a whole process, exact."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


def split(total_ns: int, fields: list[bytes]) -> tuple[int, int]:
    """Exact *total_ns* divided as the ticks of a stat file say: (user, system)."""
    user, system = int(fields[11]), int(fields[12])
    if not system:
        return total_ns, 0
    share = total_ns * user // (user + system)
    return share, total_ns - share


def thread_ns(pid: int, tid: int) -> tuple[int, int]:
    """(user, system) time of one thread."""
    directory = f"/proc/{pid}/task/{tid}/"
    fields = stat_fields(directory + "stat")
    if not fields:
        return 0, 0
    run = read(directory + "schedstat").split()
    if not run:  # a host without scheduling statistics: whole ticks
        return int(fields[11]) * TICK_NS, int(fields[12]) * TICK_NS
    return split(int(run[0]), fields)


def process_times_ns(pid: int) -> tuple[int, int]:
    """(user, system) time of a whole process."""
    fields = stat_fields(f"/proc/{pid}/stat")
    return split(process_clock_ns(pid), fields) if fields else (0, 0)


def process_usage(pid: int) -> HostUsage | None:
    """Everything about a process that getrusage(2) tells; None if it is gone."""
    fields = stat_fields(f"/proc/{pid}/stat")
    if not fields:
        return None
    user_ns, system_ns = split(process_clock_ns(pid), fields)
    status = {}
    for line in read(f"/proc/{pid}/status").splitlines():
        name, _, value = line.partition(b":")
        status[name] = value

    def number(name: bytes) -> int:
        return int(status.get(name, b"0").split()[0])

    usage = HostUsage(user_ns / NS, system_ns / NS, number(b"VmHWM"))
    usage.ru_minflt = int(fields[7])
    usage.ru_majflt = int(fields[9])
    usage.ru_nvcsw = number(b"voluntary_ctxt_switches")
    usage.ru_nivcsw = number(b"nonvoluntary_ctxt_switches")
    return usage
