"""Timers that are read (timerfd_create(2)): the host's where they can be bound, else our own.

Times are nanoseconds; a *setting* is (value, interval), value 0 for a disarmed timer.
"""

from __future__ import annotations

import struct

from ring3.abi.errno import BY_NUMBER, EAGAIN, ECANCELED, EINVAL, EIO
from ring3.abi.fcntl import O_NONBLOCK, O_RDWR
from ring3.abi.hints import TYPE_CHECKING, ClassVar, NoReturn
from ring3.abi.poll import POLLIN
from ring3.abi.time import (
    CLOCK_BOOTTIME,
    CLOCK_BOOTTIME_ALARM,
    CLOCK_REALTIME,
    CLOCK_REALTIME_ALARM,
    TFD_CLOEXEC,
    TFD_TIMER_ABSTIME,
    TFD_TIMER_CANCEL_ON_SET,
)
from ring3.core.park import Park, WaitQueue
from ring3.ipc.hostfile import HostStream, host_error
from ring3.vfs import file as vfs_file
from ring3.vfs import hostcall
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.core.clock import Timer
    from ring3.ipc.space import Ground

Setting = tuple[int, int]
SECOND_NS = 1_000_000_000
WIDTH = 8
WALL = (CLOCK_REALTIME, CLOCK_REALTIME_ALARM)
ITIMERSPEC = struct.Struct("<qqqq")
CANCELABLE = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET


class TimerFd(File):
    """A timer kept here. Source: fs/timerfd.c."""

    __slots__ = (
        "canceled", "clockid", "deadline_ns", "expired", "how", "interval_ns", "queue", "ticks",
        "timer", "wall_ns", "world",
    )  # fmt: skip
    kind: ClassVar[str] = "timerfd"

    def __init__(self, world: Ground, clockid: int, flags: int) -> None:
        super().__init__(O_RDWR | flags & O_NONBLOCK)
        self.world = world
        self.clockid = clockid
        self.queue = WaitQueue()
        self.timer: Timer | None = None
        self.deadline_ns = 0
        """Next expiry on the monotonic clock, 0 if disarmed."""
        self.wall_ns = 0
        """The same on the wall clock, where that is what was asked for."""
        self.interval_ns = 0
        self.ticks = 0
        self.expired = False
        """Rang, and was not read since: a periodic timer goes on when it is read."""
        self.how = 0
        self.canceled = False

    def settime(self, how: int, value_ns: int, interval_ns: int) -> Setting:
        """Arm or disarm; return what was set before."""
        old = self.gettime()
        if self.timer is not None:
            self.timer.cancel()
        self.forget_wall()
        clock = self.world.clock
        self.ticks = self.wall_ns = self.deadline_ns = 0
        self.expired = self.canceled = False
        self.how = how
        self.interval_ns = interval_ns
        if not value_ns:
            return old
        if not how & TFD_TIMER_ABSTIME:
            self.arm(clock.monotonic_ns() + value_ns)
            return old
        if self.clockid in WALL:
            self.wall_ns = value_ns
            self.world.ipc.timers.append(self)
            value_ns += clock.monotonic_ns() - clock.realtime_ns()
        self.arm(max(1, value_ns))
        return old

    def arm(self, deadline_ns: int) -> None:
        self.deadline_ns = deadline_ns
        self.timer = self.world.clock.arm(deadline_ns, self)

    def expire(self) -> None:
        self.expired = True
        self.ticks += 1
        self.queue.wake()

    def forward(self) -> None:
        """Count the periods that went by since the timer rang, and set it to the next."""
        if self.expired and self.interval_ns:
            late = self.world.clock.monotonic_ns() - self.deadline_ns
            periods = late // self.interval_ns + 1
            self.ticks += periods - 1
            self.arm(self.deadline_ns + periods * self.interval_ns)
            self.expired = False

    def gettime(self) -> Setting:
        self.forward()
        if not self.deadline_ns or self.expired:
            return 0, self.interval_ns
        # An armed timer never says 0: that would mean disarmed.
        return max(1, self.deadline_ns - self.world.clock.monotonic_ns()), self.interval_ns

    def clock_was_set(self) -> None:
        """The wall clock jumped."""
        if self.how & CANCELABLE == CANCELABLE:
            self.canceled = True
            self.queue.wake()
        if self.wall_ns and self.timer is not None and not self.expired:
            clock = self.world.clock
            self.timer.cancel()
            self.arm(max(1, self.wall_ns + clock.monotonic_ns() - clock.realtime_ns()))

    def forget_wall(self) -> None:
        if self in self.world.ipc.timers:
            self.world.ipc.timers.remove(self)

    def read(self, size: int) -> bytes:
        if size < WIDTH:
            raise EINVAL("a timerfd gives eight bytes")
        self.world.clock.run_due()
        if self.canceled:
            self.canceled = False
            raise ECANCELED("the wall clock was set")
        if not self.ticks:
            self.wait()
        self.forward()
        ticks, self.ticks = self.ticks, 0
        return ticks.to_bytes(WIDTH, "little")

    def unread(self, data: bytes) -> None:
        self.ticks += int.from_bytes(data, "little")

    def wait(self) -> NoReturn:
        if self.flags & O_NONBLOCK:
            raise EAGAIN
        raise Park(self.queue)

    def poll(self) -> int:
        return POLLIN if self.ticks or self.canceled else 0

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.queue,)

    def seek(self, offset: int, whence: int) -> int:
        """No position, and no error either (noop_llseek)."""
        return 0

    def info(self) -> str:
        value, interval = self.gettime()
        return (
            f"clockid: {self.clockid}\nticks: {self.ticks}\nsettime flags: 0{self.how:o}\n"
            f"it_value: ({value // SECOND_NS}, {value % SECOND_NS})\n"
            f"it_interval: ({interval // SECOND_NS}, {interval % SECOND_NS})\n"
        )

    def release(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.forget_wall()


class HostTimerFd(HostStream):
    """A timer the host keeps. The guest's wall clock may be off the host's by an offset."""

    __slots__ = ("canceled", "clockid", "how", "interval_ns", "wall_ns", "world")
    kind: ClassVar[str] = "timerfd"

    def __init__(self, world: Ground, fd: int, clockid: int, flags: int) -> None:
        super().__init__(world.reactor, fd, O_RDWR | flags & O_NONBLOCK)
        self.world = world
        self.clockid = clockid
        self.how = 0
        self.wall_ns = 0
        """The expiry asked for, where it is a time of the guest's wall clock."""
        self.interval_ns = 0
        self.canceled = False

    def settime(self, how: int, value_ns: int, interval_ns: int) -> Setting:
        """Arm or disarm; return what was set before."""
        timers = self.world.ipc.timers
        if self in timers:
            timers.remove(self)
        self.how, self.interval_ns, self.wall_ns, self.canceled = how, interval_ns, 0, False
        if how & TFD_TIMER_ABSTIME and value_ns and self.clockid in WALL:
            self.wall_ns = value_ns
            timers.append(self)
            value_ns = max(1, value_ns - self.world.clock.realtime_offset_ns)
        return self.host_settime(how, value_ns, interval_ns)

    def host_settime(self, how: int, value_ns: int, interval_ns: int) -> Setting:
        import ctypes

        new = ITIMERSPEC.pack(*divmod(interval_ns, SECOND_NS), *divmod(value_ns, SECOND_NS))
        old = ctypes.create_string_buffer(ITIMERSPEC.size)
        if hostcall.libc().timerfd_settime(self.fd, how, new, old):
            failed = ctypes.get_errno()
            # With TFD_TIMER_CANCEL_ON_SET, ECANCELED: armed, but the host's clock was set before.
            raise BY_NUMBER.get(failed, EIO)
        return unpack_setting(old.raw)

    def gettime(self) -> Setting:
        import ctypes

        now = ctypes.create_string_buffer(ITIMERSPEC.size)
        if hostcall.libc().timerfd_gettime(self.fd, now):
            raise BY_NUMBER.get(ctypes.get_errno(), EIO)
        return unpack_setting(now.raw)

    def clock_was_set(self) -> None:
        """The guest's wall clock jumped; the host's did not."""
        if self.how & CANCELABLE == CANCELABLE:
            # Reads have to come here to be told: the host knows nothing of it.
            self.canceled = True
            self.bind_fd = None
            vfs_file.rebound(self)
            self.queue.wake()
        elif self.wall_ns and self.gettime()[0]:
            value_ns = max(1, self.wall_ns - self.world.clock.realtime_offset_ns)
            self.host_settime(self.how, value_ns, self.interval_ns)

    def read(self, size: int) -> bytes:
        if size < WIDTH:
            raise EINVAL("a timerfd gives eight bytes")
        if self.canceled:
            self.canceled = False
            raise ECANCELED("the wall clock was set")
        return super().read(WIDTH)

    def write(self, data: bytes) -> int:
        raise EINVAL("a timerfd cannot be written")

    def seek(self, offset: int, whence: int) -> int:
        """No position, and no error either (noop_llseek)."""
        return 0

    def poll(self) -> int:
        return super().poll() | (POLLIN if self.canceled else 0)

    def release(self) -> None:
        if self in self.world.ipc.timers:
            self.world.ipc.timers.remove(self)
        super().release()


def unpack_setting(raw: bytes) -> Setting:
    interval_s, interval_ns, value_s, value_ns = ITIMERSPEC.unpack(raw)
    return value_s * SECOND_NS + value_ns, interval_s * SECOND_NS + interval_ns


def make_timerfd(world: Ground, clockid: int, flags: int) -> TimerFd | HostTimerFd:
    """A disarmed timer of *clockid* (checked). *flags*: TFD_NONBLOCK. ENFILE."""
    if world.own_objects:
        return TimerFd(world, clockid, flags)
    import ctypes

    # To wake a sleeping computer is not the guest's to decide: the plain clock does.
    host_clock = {CLOCK_REALTIME_ALARM: CLOCK_REALTIME, CLOCK_BOOTTIME_ALARM: CLOCK_BOOTTIME}
    fd = hostcall.libc().timerfd_create(host_clock.get(clockid, clockid), flags | TFD_CLOEXEC)
    if fd < 0:
        raise host_error(OSError(ctypes.get_errno(), "timerfd_create"))
    return HostTimerFd(world, fd, clockid, flags)


def clock_was_set(world: Ground) -> None:
    """The guest's wall clock was set: to be called by clock_settime(2) and its kin."""
    for timer in list(world.ipc.timers):
        timer.clock_was_set()
