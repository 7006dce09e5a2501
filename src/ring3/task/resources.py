"""What processes have used of the machine: CPU time, memory, faults.

The numbers come from the machine: ``Vehicle.cpu_ns`` of a live thread (an int, or user and system
time), ``Vehicle.process_cpu_ns`` and ``process_usage`` of a live process, and the host's rusage of
a process that is gone. What a machine does not offer counts as zero.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ring3.task.process import Process
    from ring3.task.task import Task

TICK_NS = 10_000_000
"""One clock tick of times(2) and siginfo (USER_HZ is 100)."""
NS = 1_000_000_000


class Usage:
    """struct rusage as far as Linux fills it. Times in ns, memory in KiB."""

    __slots__ = (
        "inblock",
        "majflt",
        "maxrss",
        "minflt",
        "nivcsw",
        "nvcsw",
        "oublock",
        "system_ns",
        "user_ns",
    )

    def __init__(self, user_ns: int = 0, system_ns: int = 0) -> None:
        self.user_ns = user_ns
        self.system_ns = system_ns
        self.maxrss = self.minflt = self.majflt = 0
        self.inblock = self.oublock = self.nvcsw = self.nivcsw = 0

    @classmethod
    def of(cls, host: Any) -> Usage:
        """From what os.wait4 and resource.getrusage give (or None)."""
        if isinstance(host, Usage):
            return host
        usage = cls()
        if host is None:
            return usage
        usage.user_ns = int(host.ru_utime * NS)
        usage.system_ns = int(host.ru_stime * NS)
        usage.maxrss = host.ru_maxrss
        usage.minflt = host.ru_minflt
        usage.majflt = host.ru_majflt
        usage.inblock = host.ru_inblock
        usage.oublock = host.ru_oublock
        usage.nvcsw = host.ru_nvcsw
        usage.nivcsw = host.ru_nivcsw
        return usage

    def plus(self, other: Usage) -> Usage:
        """Both together; of the memory, the larger."""
        total = Usage(self.user_ns + other.user_ns, self.system_ns + other.system_ns)
        total.maxrss = max(self.maxrss, other.maxrss)
        for name in ("minflt", "majflt", "inblock", "oublock", "nvcsw", "nivcsw"):
            setattr(total, name, getattr(self, name) + getattr(other, name))
        return total


def thread_usage(task: Task) -> Usage:
    """What one live thread has used."""
    return Usage(*cpu_ns(task))


def cpu_ns(task: Task) -> tuple[int, int]:
    """(user, system) CPU time of a thread, as its vehicle's machine counts it."""
    hook = getattr(getattr(task, "vehicle", None), "cpu_ns", None)
    if hook is None:
        return 0, 0
    used = hook()
    return used if isinstance(used, tuple) else (used, 0)


def process_usage(process: Process) -> Usage:
    """What a process has used so far, threads that ended included as far as the machine knows."""
    if process.rusage is not None:
        return Usage.of(process.rusage)
    vehicle = any_vehicle(process)
    hook = getattr(vehicle, "process_usage", None)
    if hook is not None and (host := hook()) is not None:
        return Usage.of(host)
    hook = getattr(vehicle, "process_cpu_ns", None)
    if hook is not None:
        return Usage(hook())
    total = Usage()
    for task in process.threads.values():
        total = total.plus(thread_usage(task))
    return total


def any_vehicle(process: Process) -> Any:
    """The vehicle of some live thread, or None."""
    for task in process.threads.values():
        if (vehicle := getattr(task, "vehicle", None)) is not None:
            return vehicle
    return None


def process_cpu_ns(process: Process) -> int:
    """User and system CPU time of all threads together; cheaper than the whole usage."""
    if process.rusage is None:
        hook = getattr(any_vehicle(process), "process_cpu_ns", None)
        if hook is not None:
            return int(hook())
    usage = process_usage(process)
    return usage.user_ns + usage.system_ns


def process_user_ns(process: Process) -> int:
    """User CPU time of all threads together."""
    if process.rusage is None:
        hook = getattr(any_vehicle(process), "process_times_ns", None)
        if hook is not None:
            return int(hook()[0])
    return process_usage(process).user_ns


def children_usage(process: Process) -> Usage:
    """Sum over the children that were waited for, and theirs."""
    return Usage.of(process.children_rusage)


def clock_ticks(process: Process) -> tuple[int, int]:
    """(user, system) CPU time of a process in clock ticks."""
    usage = process_usage(process)
    return usage.user_ns // TICK_NS, usage.system_ns // TICK_NS
