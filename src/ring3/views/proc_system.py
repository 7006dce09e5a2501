"""Files of /proc about the whole system. Hardware, memory and load are the host's; processes,
mounts and devices are the guest world's.

Each function makes one file's text from (world, who reads).
"""

from __future__ import annotations

from ring3.abi.errno import EPERM
from ring3.abi.hints import TYPE_CHECKING
from ring3.views.host import fields, system_text

if TYPE_CHECKING:
    from ring3.task.world import World
    from ring3.vfs.inode import Walker

SECOND_NS = 1_000_000_000
TTY_DRIVERS = (
    b"/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
    b"/dev/console         /dev/console    5       1 system:console\n"
    b"/dev/ptmx            /dev/ptmx       5       2 system\n"
    b"pty_slave            /dev/pts      136 0-1048575 pty:slave\n"
    b"pty_master           /dev/ptm      128 0-1048575 pty:master\n"
)
FILESYSTEMS = (
    b"sysfs tmpfs proc cgroup2 devtmpfs sockfs pipefs ramfs devpts overlay mqueue hostfs"
).split()
COMMAND_LINE = b"ring3\n"


def empty(world: World, who: Walker) -> bytes:
    return b""


# --- the host's --------------------------------------------------------------------------------
def cpuinfo(world: World, who: Walker) -> bytes:
    return system_text(world, "/proc/cpuinfo")


def meminfo(world: World, who: Walker) -> bytes:
    """The host's, within the limit of the guest's world (kB)."""
    text = system_text(world, "/proc/meminfo")
    limit = world.limits.get("memory", 0) // 1024
    numbers = fields(text)
    if not limit or b"MemTotal" not in numbers:
        return text
    if limit >= int(numbers[b"MemTotal"].split()[0]):
        return text
    lines = []
    for line in text.splitlines(keepends=True):
        name, _, rest = line.partition(b":")
        if name in (b"MemTotal", b"MemFree", b"MemAvailable"):
            line = b"%-16s%8d kB\n" % (name + b":", min(limit, int(rest.split()[0])))
        lines.append(line)
    return b"".join(lines)


def vmstat(world: World, who: Walker) -> bytes:
    return system_text(world, "/proc/vmstat")


def zoneinfo(world: World, who: Walker) -> bytes:
    return system_text(world, "/proc/zoneinfo")


def buddyinfo(world: World, who: Walker) -> bytes:
    return system_text(world, "/proc/buddyinfo")


def pressure_cpu(world: World, who: Walker) -> bytes:
    return system_text(world, "/proc/pressure/cpu")


def pressure_io(world: World, who: Walker) -> bytes:
    return system_text(world, "/proc/pressure/io")


def pressure_memory(world: World, who: Walker) -> bytes:
    return system_text(world, "/proc/pressure/memory")


def no_trigger(world: World, who: Walker, data: bytes) -> None:
    raise EPERM("pressure triggers are not offered")


set_pressure_cpu = set_pressure_io = set_pressure_memory = no_trigger


def uptime(world: World, who: Walker) -> bytes:
    """As CLOCK_BOOTTIME, which on the native machine is the host's."""
    up = world.clock.boottime_ns()
    idle = system_text(world, "/proc/uptime").split()
    seconds, rest = divmod(up, SECOND_NS)
    return b"%d.%02d %s\n" % (seconds, rest // 10_000_000, idle[1] if len(idle) > 1 else b"0.00")


def boot_time(world: World) -> int:
    """Seconds of the guest's wall clock at which the system was started."""
    return (world.clock.realtime_ns() - world.clock.boottime_ns()) // SECOND_NS


def stat(world: World, who: Walker) -> bytes:
    """The guest's forks and running threads; CPU times and interrupts are the machine's, or the
    host's."""
    from ring3.views.proc_irq import stat_lines

    counted = stat_lines(world)
    running = sum(1 for task in world.tasks.values() if task.parked is None)
    own = {
        b"btime": boot_time(world),
        b"processes": world.forks + 1,
        b"procs_running": max(1, running),
        b"procs_blocked": 0,
    }
    lines = []
    for line in system_text(world, "/proc/stat").splitlines(keepends=True):
        name = line.split(None, 1)[0]
        if name in own:
            line = b"%s %d\n" % (name, own[name])
        lines.append(counted.get(name, line))
    return b"".join(lines)


def loadavg(world: World, who: Walker) -> bytes:
    loads = system_text(world, "/proc/loadavg").split()[:3] or [b"0.00"] * 3
    running = sum(1 for task in world.tasks.values() if task.parked is None)
    total = max(len(world.tasks), running, 1)
    return b"%s %d/%d %d\n" % (b" ".join(loads), max(1, running), total, world.last_pid)


# --- the guest world's -------------------------------------------------------------------------
def version(world: World, who: Walker) -> bytes:
    return b"Linux version %s (ring3@ring3) (python) %s\n" % (world.release, world.version)


def cmdline(world: World, who: Walker) -> bytes:
    return COMMAND_LINE


def tty_drivers(world: World, who: Walker) -> bytes:
    return TTY_DRIVERS


def consoles(world: World, who: Walker) -> bytes:
    return b""


def execdomains(world: World, who: Walker) -> bytes:
    return b"0-0\tLinux           \t[kernel]\n"


def filesystems(world: World, who: Walker) -> bytes:
    return b"".join(b"nodev\t%s\n" % name for name in FILESYSTEMS)


def swaps(world: World, who: Walker) -> bytes:
    return b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def cgroups(world: World, who: Walker) -> bytes:
    return b"#subsys_name\thierarchy\tnum_cgroups\tenabled\n"


def modules(world: World, who: Walker) -> bytes:
    """One line per loaded module, as the module loader of this world tells it."""
    loader = getattr(world, "modules", None)
    text: bytes = loader.proc_modules() if loader is not None else b""
    return text


def locks(world: World, who: Walker) -> bytes:
    from ring3.views.proc_locks import locks_text

    return locks_text(world)


def sysvipc_msg(world: World, who: Walker) -> bytes:
    from ring3.views.proc_ipc import messages

    return messages(world)


def sysvipc_sem(world: World, who: Walker) -> bytes:
    from ring3.views.proc_ipc import semaphores

    return semaphores(world)


def sysvipc_shm(world: World, who: Walker) -> bytes:
    from ring3.views.proc_ipc import segments

    return segments(world)
