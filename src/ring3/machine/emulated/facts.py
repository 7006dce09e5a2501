"""What the system files of a guest say of this machine: its one CPU, its RAM. The host's own files
would tell of another computer, and of another moment in each run.

Formats: proc(5), sysfs(5); arch/x86/kernel/cpu/proc.c, fs/proc/meminfo.c.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.emulated import cpuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.machine import EmulatedMachine

MHZ = cpuid.CPU_KHZ / 1000
CPUINFO = f"""\
processor\t: 0
vendor_id\t: {cpuid.VENDOR}
cpu family\t: {cpuid.FAMILY}
model\t\t: {cpuid.MODEL}
model name\t: {cpuid.BRAND}
stepping\t: {cpuid.STEPPING}
cpu MHz\t\t: {MHZ:.3f}
cache size\t: 8192 KB
physical id\t: 0
siblings\t: 1
core id\t\t: 0
cpu cores\t: 1
apicid\t\t: 0
initial apicid\t: 0
fpu\t\t: yes
fpu_exception\t: yes
cpuid level\t: 22
wp\t\t: yes
flags\t\t: {cpuid.FLAGS}
bugs\t\t:
bogomips\t: {2 * MHZ:.2f}
clflush size\t: 64
cache_alignment\t: 64
address sizes\t: 40 bits physical, 48 bits virtual
power management:

"""


def meminfo(machine: EmulatedMachine) -> str:
    memory = machine.physical.meminfo()
    total, free, cached = (memory[name] >> 10 for name in ("total", "free", "cached"))
    rows = (
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free + cached),
        ("Buffers", 0),
        ("Cached", cached),
        ("SwapCached", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Shmem", 0),
        ("Slab", 0),
        ("SReclaimable", 0),
        ("SUnreclaim", 0),
        ("PageTables", 0),
        ("HugePages_Total", None),
        ("HugePages_Free", None),
        ("Hugepagesize", 2048),
    )
    return "".join(
        f"{name + ':':<16}{value or 0:8d}{' kB' if value is not None else ''}\n"
        for name, value in rows
    )


def vmstat(machine: EmulatedMachine) -> str:
    return f"nr_free_pages {machine.physical.meminfo()['free'] >> 12}\n"


def stat(machine: EmulatedMachine) -> str:
    """Its rows only; the kernel fills in what is counted (views/proc_system)."""
    zeros = " 0" * 10
    return (
        f"cpu {zeros}\ncpu0{zeros}\nintr 0\nctxt 0\nbtime 0\nprocesses 0\nprocs_running 1\n"
        "procs_blocked 0\nsoftirq 0\n"
    )


def cpu_times(machine: EmulatedMachine) -> tuple[int, int, int]:
    """Ns of user, system and idle time since the start; idle is what nobody used."""
    user, system = machine.lives.past_ns
    for process in machine.lives.processes:
        more_user, more_system = process.times_ns()
        user, system = user + more_user, system + more_system
    return user, system, max(0, machine.clock.monotonic_ns() - user - system)


def uptime(machine: EmulatedMachine) -> str:
    """Its second figure, the time nobody ran; the kernel knows the first."""
    return f"0.00 {cpu_times(machine)[2] / 1e9:.2f}\n"


TEXTS: dict[str, str] = {
    "/proc/cpuinfo": CPUINFO,
    "/proc/loadavg": "0.00 0.00 0.00 1/1 1\n",
    "/proc/sys/fs/file-max": "1048576\n",
    "/sys/devices/system/cpu/online": "0\n",
    "/sys/devices/system/cpu/possible": "0\n",
    "/sys/devices/system/cpu/present": "0\n",
    "/sys/devices/system/cpu/kernel_max": "0\n",
    "/sys/devices/system/cpu/offline": "\n",
    "/sys/devices/system/cpu/isolated": "\n",
    "/sys/devices/system/cpu/cpu0/topology/physical_package_id": "0\n",
    "/sys/devices/system/cpu/cpu0/topology/core_id": "0\n",
    "/sys/devices/system/cpu/cpu0/topology/core_cpus_list": "0\n",
    "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0\n",
    "/sys/devices/system/cpu/cpu0/topology/thread_siblings": "1\n",
    "/sys/devices/system/node/online": "0\n",
    "/sys/devices/system/node/possible": "0\n",
    "/sys/devices/system/node/node0/cpulist": "0\n",
    "/sys/devices/system/node/node0/cpumap": "1\n",
}
MADE: dict[str, Callable[[EmulatedMachine], str]] = {
    "/proc/meminfo": meminfo,
    "/proc/vmstat": vmstat,
    "/proc/stat": stat,
    "/proc/uptime": uptime,
}


def system_file(machine: EmulatedMachine, path: str) -> bytes:
    """The content of file *path* of /proc or /sys as this machine has it; b"" if it has none."""
    make = MADE.get(path)
    return (make(machine) if make is not None else TEXTS.get(path, "")).encode()


def system_names(path: str) -> list[str]:
    """The names in directory *path* of /sys, as far as this machine has it."""
    start = path.rstrip("/") + "/"
    return sorted({p[len(start) :].split("/")[0] for p in TEXTS if p.startswith(start)})
