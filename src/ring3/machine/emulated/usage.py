"""What a process used, shaped like the host's rusage (os.wait4)."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from ring3.machine.emulated.thread import EmulatedProcess


class VirtualUsage:
    """Times in seconds of virtual time, memory in KiB (getrusage(2))."""

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

    def __init__(self, process: EmulatedProcess) -> None:
        user, system = process.times_ns()
        self.ru_utime = user / 1e9
        self.ru_stime = system / 1e9
        space = process.vehicles[0].space if process.vehicles else None
        self.ru_maxrss = space.peak_resident * 4 if space is not None else 0
        self.ru_minflt = process.faults
        self.ru_majflt = 0
        self.ru_inblock = self.ru_oublock = 0
        self.ru_nvcsw = self.ru_nivcsw = 0
