"""A native vehicle: one host thread that runs one guest thread.

A vehicle is in one of three places: in user code (``id`` 0), stopped in a notified call (``id``,
no ``frame``), or stopped in a doorbell of its shim (``id`` and ``frame``, the saved context).
"""

from __future__ import annotations

import os
import resource

from ring3.abi.errno import ENOSYS, EPERM, Errno
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.machine.native import usage
from ring3.machine.native.context import NativeContext, load_context
from ring3.machine.native.filter import FROM_SHIM, HARMLESS, OWN_MEMORY
from ring3.machine.native.loading import Exec
from ring3.machine.native.operations import Clone, ExitThread, HostCall, SlowReturn
from ring3.machine.native.protocol import CMD, CMDS_OFFSET, MAX_CMDS, REPLY_RUN, slot_address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.machine.base import CloneArgs, Image, Result, UserContext
    from ring3.machine.native.machine import NativeMachine
    from ring3.machine.native.space import NativeSpace

WORD = (1 << 64) - 1


class HostProcess:
    """A host process: the vehicles of one guest process."""

    __slots__ = ("booting", "pid", "pidfd", "process", "vehicles")

    def __init__(self, pid: int, process: Any) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.process = process
        """The kernel's process object; None for the zygote."""
        self.vehicles: dict[int, NativeVehicle] = {}
        self.booting: Callable[[NativeVehicle, int, int], None] | None = None
        """Set while the shim boots: what to do when it rings."""


class NativeVehicle:
    __slots__ = (
        "armed",
        "cloning",
        "done",
        "entering",
        "expecting",
        "frame",
        "gone",
        "held_nr",
        "id",
        "kick_due",
        "kicked",
        "machine",
        "pending_then",
        "process",
        "routed",
        "shim_entered",
        "slot",
        "space",
        "task",
        "tid",
    )

    def __init__(
        self, machine: NativeMachine, process: HostProcess, tid: int, space: NativeSpace, slot: int
    ) -> None:
        self.machine = machine
        self.process = process
        self.tid = tid
        self.space = space
        self.slot = slot
        self.task: Any = None
        self.id = 0
        """The pending notification, 0 while the vehicle runs."""
        self.frame = 0
        """Address of the saved context while stopped in the shim."""
        self.done: Callable[[NativeVehicle, int, int], None] | None = None
        """What follows the command list under way: (commands done, last result)."""
        self.pending_then: Callable[[int], Result | None] | None = None
        self.expecting: list[tuple[int, tuple[int, ...]]] = []
        """Calls of the shim that the filter notifies and that may go on, in order."""
        self.cloning = False
        """The list's clone was let go on; only a kick has the host execute it once more."""
        self.shim_entered: Callable[[], None] | None = None
        """What to do once a kick has brought the vehicle into its shim."""
        self.entering = False
        """The frame is a program's first: the shim enters it by REPLY_ENTER."""
        self.held_nr = -1
        """The call that is being returned from while the vehicle is held back."""
        self.kicked = False
        self.kick_due = False
        """Somebody wanted to kick it while its process booted."""
        self.gone = False
        self.routed = False
        """Every call of this thread comes to the kernel (syscall user dispatch)."""
        self.armed = False
        """The host knows where the routing switch of this thread is."""

    @property
    def slot_base(self) -> int:
        return slot_address(self.slot)

    # --- the kernel's side (machine.base.Vehicle) ------------------------------------------------
    def user_registers(self) -> tuple[str, dict[str, int]]:
        """Of a trapped vehicle: how its call came ("sigsys", "notification"), and the registers
        that are known. OSError, EFAULT if the vehicle cannot be looked at."""
        if self.frame:
            regs = NativeContext(self, -1).regs
            return "sigsys", {name: getattr(regs, name) for name in regs.NAMES}
        with open(f"/proc/{self.tid}/syscall") as told:
            fields = told.read().split()
        # proc(5): number, six arguments, stack pointer, program counter; or the word "running".
        if len(fields) != 9:
            return "notification", {}
        names = ("rdi", "rsi", "rdx", "r10", "r8", "r9", "rsp", "rip")
        return "notification", {n: int(x, 16) for n, x in zip(names, fields[1:], strict=True)}

    def clone(self, args: CloneArgs, child: Any, then: Callable[[int], Result | None]) -> Result:
        return Clone(args, child, then)

    def exec(self, image: Image, then: Callable[[int], Result | None]) -> Result:
        return Exec(image, then)

    def host_call(self, nr: int, args: Sequence[int]) -> Result:
        return HostCall(nr, tuple(args))

    def slow_return(self, result: int, edit: Callable[[UserContext], None] | None = None) -> Result:
        return SlowReturn(result, edit)

    def exit_thread(self, status: int, wakes: Sequence[int] = ()) -> Result:
        return ExitThread(False, wakes)

    def exit_group(self, status: int, wakes: Sequence[int] = ()) -> Result:
        return ExitThread(True, wakes)

    def cpu_ns(self) -> tuple[int, int]:
        """(user, system) host CPU time of this thread."""
        return usage.thread_ns(self.process.pid, self.tid)

    def process_cpu_ns(self) -> int:
        """Host CPU time of the whole process."""
        return usage.process_clock_ns(self.process.pid)

    def process_times_ns(self) -> tuple[int, int]:
        """The same in parts: (user, system)."""
        return usage.process_times_ns(self.process.pid)

    def process_usage(self) -> usage.HostUsage | None:
        """What the process has used so far; None if it is gone."""
        return usage.process_usage(self.process.pid)

    def resume(self) -> None:
        """Ask again whether the vehicle may return to user mode (it was held back)."""
        if self.id and self.frame:
            context = self.context(self.held_nr)
            if context is not None:
                self.machine.to_user(self, context)

    def interrupt(self) -> None:
        """Kick the vehicle unless it is in the kernel's hands: then it finds out on its way.

        So does one whose process boots: the host's exec has reset the handlers, and until the
        shim has set its own a kick is death. Should the exec fail, it is made up for.
        """
        if self.gone or self.id or self.kicked:
            return
        if self.process.booting is not None:
            self.kick_due = True
            return
        self.kick()

    def kick(self) -> None:
        self.kicked = True
        self.machine.kick(self.process.pid, self.tid)

    def kill(self) -> None:
        self.machine.kill(self.process)

    def set_limit(self, which: int, soft: int, hard: int) -> None:
        """Have the host enforce a guest's soft limit on what runs natively."""
        if which in HOST_LIMITS and not self.gone:
            limit_process(self.process.pid, which, soft)

    def set_thread_area(self, area: int) -> int:
        raise ENOSYS("64-bit programs have no thread areas")

    get_thread_area = set_thread_area

    def permit_ports(self, first: int, count: int, allow: bool) -> int:
        if not allow:
            return 0
        raise EPERM("no ports on the native machine")

    def set_iopl(self, level: int) -> int:
        if not level:
            return 0
        raise EPERM("no ports on the native machine")

    # --- the machine's side ----------------------------------------------------------------------
    def context(self, call_nr: int) -> NativeContext | None:
        """The saved context; None, and the vehicle dies, if the guest destroyed it."""
        context = load_context(self, call_nr)
        if context is None:
            self.machine.lost(self, 11)
        return context

    def enter_shim(self, then: Callable[[], None]) -> None:
        """Call *then* with the vehicle stopped in its shim.

        A vehicle that is in a notified call is kicked first and only then answered: it meets the
        signal before it returns to user code (the host waits killably, so no call is lost).
        """
        if self.frame:
            then()
            return
        self.shim_entered = then
        self.kick()
        self.machine.answer(self, 0)

    def run(
        self, cmds: list[tuple[int, tuple[int, ...], int]],
        done: Callable[[NativeVehicle, int, int], None],
    ) -> None:  # fmt: skip
        """Have the shim run host calls; *done* gets (how many succeeded, the last result)."""
        if len(cmds) > MAX_CMDS:
            rest = cmds[MAX_CMDS:]
            total = len(cmds)
            first = cmds[:MAX_CMDS]

            def go_on(v: NativeVehicle, index: int, last: int) -> None:
                if index < len(first):
                    done(v, index, last)
                else:
                    v.run(rest, lambda v, i, x: done(v, total - len(rest) + i, x))

            self.run(first, go_on)
            return
        data = bytearray(len(cmds).to_bytes(8, "little"))
        data += bytes(CMDS_OFFSET - 8)
        for nr, args, flags in cmds:
            padded = [a & WORD for a in args] + [0] * (6 - len(args))
            data += CMD.pack(nr, *padded, flags)
        # frame, kicked and selector (bytes 8 to 32) are the shim's: write around them.
        try:
            self.space.memory.store(self.slot_base + CMDS_OFFSET, data[CMDS_OFFSET:])
            self.space.memory.store(self.slot_base, data[:8])
        except Errno:
            self.machine.lost(self, 11)
            return
        self.done = done
        self.cloning = False
        # Five: clone's sixth slot is the shim's own (cookie, or start on a frame).
        self.expecting = [
            (nr, tuple(a & WORD for a in args[:5])) for nr, args, _ in cmds if nr not in UNNOTIFIED
        ]
        self.machine.answer(self, REPLY_RUN)


HOST_LIMITS = frozenset(
    getattr(resource, "RLIMIT_" + name) for name in "FSIZE DATA STACK MEMLOCK AS".split()
)
"""Limits on what a vehicle does without a trap. The others are the kernel's affair."""


def limit_process(pid: int, which: int, soft: int) -> None:
    """Set the soft limit only: the host's hard limit stays, or nobody could raise it again."""
    try:
        hard = resource.prlimit(pid, which)[1]
        wanted = soft if soft < 1 << 63 else resource.RLIM_INFINITY
        if hard != resource.RLIM_INFINITY and (wanted == resource.RLIM_INFINITY or wanted > hard):
            wanted = hard
        resource.prlimit(pid, which, (wanted, hard))
    except (OSError, ValueError):
        pass  # the process ended meanwhile


UNNOTIFIED = frozenset(NUMBERS[name] for name in (*FROM_SHIM, *OWN_MEMORY, *HARMLESS))
"""What the filter lets the shim call without asking."""
