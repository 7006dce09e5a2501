"""What the system says about itself: uname, sysinfo, host names, the kernel log, randomness.

Source: kernel/sys.c, kernel/printk/printk.c, drivers/char/random.c.
"""

from __future__ import annotations

import os
import struct

from ring3.abi.capability import CAP_SYS_ADMIN, CAP_SYSLOG
from ring3.abi.errno import EFAULT, EINVAL, EPERM
from ring3.abi.hints import TYPE_CHECKING, Annotated
from ring3.abi.misc import (
    GRND_INSECURE,
    GRND_NONBLOCK,
    GRND_RANDOM,
    PER_LINUX32,
    SYSLOG_ACTION_CLEAR,
    SYSLOG_ACTION_CLOSE,
    SYSLOG_ACTION_CONSOLE_LEVEL,
    SYSLOG_ACTION_CONSOLE_ON,
    SYSLOG_ACTION_READ,
    SYSLOG_ACTION_READ_ALL,
    SYSLOG_ACTION_READ_CLEAR,
    SYSLOG_ACTION_SIZE_BUFFER,
    SYSLOG_ACTION_SIZE_UNREAD,
)
from ring3.abi.types import Blob, Bytes, In, Int, Out, Record, Size, UInt, ULong
from ring3.syscalls.records import SECOND_NS
from ring3.syscalls.table import RESULT, syscall

if TYPE_CHECKING:
    from ring3.machine.base import Result
    from ring3.task.task import Task

UTS_LENGTH = 64
PERSONALITY_KIND = 0xFF
MEMINFO = "/proc/meminfo"
LOG_SIZE = 1 << 17
RANDOM_MOST = 33_554_431
"""As much as one getrandom(2) gives (random(7)); the rest is for another call."""
RANDOM_CHUNK = 1 << 16
# uptime, loads[3], six sizes in bytes, procs, two more sizes, mem_unit
SYSINFO = {64: struct.Struct("<q3Q6QH6x2QI4x"), 32: struct.Struct("<i3I6IH2x2II8x")}
LOAD_SHIFT = 65536


class Utsname(Record):
    """struct new_utsname."""

    LAYOUT = "utsname"
    FIELDS = {
        name: name
        for name in ("sysname", "nodename", "release", "version", "machine", "domainname")
    }
    __slots__ = tuple(FIELDS)


class OldUtsname(Record):
    """struct old_utsname: without the domain (i386)."""

    LAYOUT = "old_utsname"
    FIELDS = {name: name for name in ("sysname", "nodename", "release", "version", "machine")}
    __slots__ = tuple(FIELDS)


def uts(t: Task) -> tuple[bytes, ...]:
    """The fields of struct new_utsname in order."""
    world = t.world
    machine = b"i686" if t.process.personality & PERSONALITY_KIND == PER_LINUX32 else b"x86_64"
    return b"Linux", world.hostname, world.release, world.version, machine, world.domainname


@syscall(name="uname")
def newuname(t: Task, out: Out[Utsname]) -> int:
    """Store the names and versions of system and machine."""
    out.store(Utsname(*uts(t)))
    return 0


@syscall
def olduname(t: Task, out: Out[OldUtsname]) -> int:
    """uname without the domain name (i386)."""
    if not out:
        raise EFAULT
    out.store(OldUtsname(*uts(t)[:-1]))
    return 0


@syscall(name="sethostname", text="length")
def sethostname(t: Task, text: In[Bytes], length: Int) -> int:
    """Set the host name of the guest's world."""
    t.world.hostname = new_name(t, text, length)
    return 0


@syscall(name="setdomainname", text="length")
def setdomainname(t: Task, text: In[Bytes], length: Int) -> int:
    """Set the NIS domain name of the guest's world."""
    t.world.domainname = new_name(t, text, length)
    return 0


def new_name(t: Task, text: In[bytes], length: int) -> bytes:
    if not t.cred.capable(CAP_SYS_ADMIN):
        raise EPERM("CAP_SYS_ADMIN")
    if not 0 <= length <= UTS_LENGTH:
        raise EINVAL("length")
    return text.load_bytes(length).split(b"\0")[0]


def system_lines(t: Task, path: str) -> list[str]:
    """A file of /proc of the computer the guest runs on, the host or the machine itself; [] where
    it cannot be read."""
    own = getattr(t.world.machine, "system_file", None)
    if own is not None:
        text: bytes = own(path)
        return text.decode().splitlines()
    try:
        with open(path) as lines:
            return lines.readlines()
    except OSError:
        return []


def meminfo(t: Task) -> dict[str, int]:
    """/proc/meminfo in bytes; {} where it cannot be read."""
    found = {}
    try:
        for line in system_lines(t, MEMINFO):
            name, _, rest = line.partition(":")
            found[name] = int(rest.split()[0]) * 1024
    except (ValueError, IndexError):
        pass
    return found


def load_averages(t: Task) -> tuple[float, ...]:
    if hasattr(t.world.machine, "system_file"):
        return 0.0, 0.0, 0.0
    try:
        return os.getloadavg()
    except (AttributeError, OSError):
        return 0.0, 0.0, 0.0


@syscall
def sysinfo(t: Task, out: Out[Bytes]) -> int:
    """Store uptime, load and memory: the host's, within the limit of the guest's world."""
    memory = meminfo(t)
    total = memory.get("MemTotal", 0)
    free = memory.get("MemFree", 0)
    limit = t.world.limits.get("memory", 0)
    if limit and limit < total:
        total, free = limit, min(free, limit)
    sizes = (
        total,
        free,
        memory.get("Shmem", 0),
        memory.get("Buffers", 0),
        memory.get("SwapTotal", 0),
        memory.get("SwapFree", 0),
    )
    word = t.memory.word
    unit = 1
    if word == 32 and max(sizes) >> 32:
        unit = 4096
        sizes = tuple(size // unit for size in sizes)  # type: ignore[assignment]
    # A guest reads the host's CLOCK_BOOTTIME natively; this has to agree with it.
    uptime_ns = t.world.clock.boottime_ns()
    loads = [int(load * LOAD_SHIFT) for load in load_averages(t)]
    seconds = uptime_ns // SECOND_NS + 1
    threads = min(len(t.world.tasks), 0xFFFF)
    out.store_bytes(SYSINFO[word].pack(seconds, *loads, *sizes, threads, 0, 0, unit))
    return 0


@syscall
def personality(t: Task, persona: UInt) -> int:
    """Set the execution domain (0xffffffff: only ask); return the one before."""
    before = t.process.personality
    if persona != 0xFFFFFFFF:
        t.process.personality = persona
    return before


@syscall
def getcpu(t: Task, cpu: Out[Bytes], node: Out[Bytes], unused: ULong) -> Result:
    """Store the CPU that the thread runs on, and its memory node."""
    return t.vehicle.host_call(t.nr, (cpu.addr, node.addr, 0))


# --- the kernel log -----------------------------------------------------------------------------
@syscall(name="syslog", partial="no blocking read of new lines", text="length")
def syslog(t: Task, action: Int, text: Out[Bytes], length: Int) -> int:
    """Read and clear the kernel log (dmesg)."""
    log = t.world.log
    if action not in (SYSLOG_ACTION_READ_ALL, SYSLOG_ACTION_SIZE_BUFFER) and not (
        t.cred.capable(CAP_SYSLOG) or t.cred.capable(CAP_SYS_ADMIN)
    ):
        raise EPERM("CAP_SYSLOG")
    if action in (SYSLOG_ACTION_READ, SYSLOG_ACTION_READ_ALL, SYSLOG_ACTION_READ_CLEAR):
        if not text or length < 0:
            raise EINVAL("buffer")
        found = log_text(t)
        if length < len(found):
            # Whole lines from the end, as many as fit.
            found = found[-length:] if length else b""
            found = found.partition(b"\n")[2]
        text.store_bytes(found)
        if action != SYSLOG_ACTION_READ_ALL:
            log.lines.clear()
        return len(found)
    if action == SYSLOG_ACTION_CLEAR:
        log.lines.clear()
    elif action == SYSLOG_ACTION_SIZE_UNREAD:
        return len(log_text(t))
    elif action == SYSLOG_ACTION_SIZE_BUFFER:
        return LOG_SIZE
    elif action == SYSLOG_ACTION_CONSOLE_LEVEL:
        if not 1 <= length <= 8:
            raise EINVAL("level")
    elif not SYSLOG_ACTION_CLOSE <= action <= SYSLOG_ACTION_CONSOLE_ON:
        raise EINVAL("action")
    return 0


def log_text(t: Task) -> bytes:
    """The log as syslog(2) gives it: level, time since boot, line."""
    return b"".join(
        b"<6>[%5d.%06d] %s\n" % (ns // SECOND_NS, ns % SECOND_NS // 1000, line.encode())
        for ns, line in t.world.log.lines
    )


# --- randomness ---------------------------------------------------------------------------------
@syscall(buf=RESULT)
def getrandom(t: Task, buf: Out[Annotated[bytes, Blob("random")]], size: Size, flags: UInt) -> int:
    """Fill *buf* with random bytes."""
    if flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) or flags & (
        GRND_RANDOM | GRND_INSECURE
    ) == (GRND_RANDOM | GRND_INSECURE):
        raise EINVAL("flags")
    done, size = 0, min(size, RANDOM_MOST)
    while done < size:
        chunk = t.world.random.bytes(min(RANDOM_CHUNK, size - done))
        try:
            t.memory.store(buf.addr + done, chunk)
        except EFAULT:
            if not done:
                raise
            break
        done += len(chunk)
    return done
