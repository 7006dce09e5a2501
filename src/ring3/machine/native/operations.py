"""What a native vehicle has to do itself: the machine's Deferred results.

Each begins when the handler has returned it (``begin``) and ends by handing a result to
``machine.settle``. Operations that change registers or memory need the vehicle inside its shim;
``vehicle.enter_shim`` gets it there if a plain notification brought it.
"""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EFAULT, Errno
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.sched import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_FILES,
    CLONE_FS,
    CLONE_PARENT,
    CLONE_SETTLS,
    CLONE_SIGHAND,
    CLONE_SYSVSEM,
    CLONE_THREAD,
    CLONE_VM,
)
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.machine.base import CloneArgs, Deferred, Result
from ring3.machine.native.context import copy_frame, register_offset
from ring3.machine.native.protocol import (
    CMD_WAITS,
    FRAME_OFFSET,
    RAX,
    REPLY_RESUME,
    RSP,
    SLOT_SIZE,
    SLOT_STACK,
    slot_address,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.machine.base import UserContext
    from ring3.machine.native.machine import NativeMachine
    from ring3.machine.native.vehicle import NativeVehicle

MAP_SLOTS = 0x4032
"""MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE"""
NO_FD = (1 << 64) - 1
WAITING = frozenset(NUMBERS[name] for name in ("futex", "futex_waitv"))
SLOT_BATCH = 16
"""Slots are mapped this many at a time: untouched ones cost nothing."""
Cmds = list[tuple[int, tuple[int, ...], int]]


class HostCall(Deferred):
    """Have the host perform a call in the vehicle: as it was trapped, or by way of the shim."""

    __slots__ = ("args", "nr")

    def __init__(
        self, nr: int, args: tuple[int, ...], then: Callable[[int], Result | None] | None = None
    ) -> None:
        super().__init__(then)
        self.nr = nr
        self.args = args

    def begin(self, machine: NativeMachine, v: NativeVehicle) -> None:
        task = v.task
        same = task.nr == self.nr and tuple(task.args[: len(self.args)]) == self.args
        if same and self.then is None and not v.frame and not task.attention:
            machine.let_continue(v)
            return
        waits = CMD_WAITS if self.nr in WAITING else 0
        v.enter_shim(lambda: v.run([(self.nr, self.args, waits)], self.done))
        v.pending_then = self.then

    def done(self, v: NativeVehicle, index: int, last: int) -> None:
        v.machine.finished(v, last)


class SlowReturn(Deferred):
    """Return through the full user context: restarts, signal handlers, sigreturn, exec."""

    __slots__ = ("edit", "result")

    def __init__(self, result: int, edit: Callable[[UserContext], None] | None) -> None:
        super().__init__()
        self.result = result
        self.edit = edit

    def begin(self, machine: NativeMachine, v: NativeVehicle) -> None:
        v.enter_shim(lambda: self.inside(machine, v))

    def inside(self, machine: NativeMachine, v: NativeVehicle) -> None:
        context = v.context(v.task.nr)
        if context is None:
            return
        context.regs.rax = self.result
        if self.edit is not None:
            self.edit(context)
        machine.to_user(v, context)


class MapFile(Deferred):
    """mmap of a file: by the guest's own number if it is granted, else by a passing descriptor."""

    __slots__ = ("addr", "file", "flags", "length", "offset", "prot")

    def __init__(
        self, file: Any, addr: int, length: int, prot: int, flags: int, offset: int
    ) -> None:
        super().__init__()
        self.file = file
        self.addr = addr
        self.length = length
        self.prot = prot
        self.flags = flags
        self.offset = offset

    def begin(self, machine: NativeMachine, v: NativeVehicle) -> None:
        task = v.task
        host_fd = self.file.map_fd(self.prot, bool(self.flags & 1))
        fd = task.args[4] & 0xFFFFFFFF
        granted = fd in task.fds.bound and task.fds.files.get(fd) is self.file
        if granted and host_fd == self.file.bind_fd and not v.frame and not task.attention:
            machine.let_continue(v)
            return
        v.pending_then = self.then
        v.enter_shim(lambda: self.inside(machine, v, host_fd))

    def inside(self, machine: NativeMachine, v: NativeVehicle, host_fd: int) -> None:
        passing = machine.lend(v, host_fd)
        if passing < 0:
            machine.finished(v, -EFAULT.number)
            return
        args = (self.addr, self.length, self.prot, self.flags, passing, self.offset)
        cmds: Cmds = [(NUMBERS["mmap"], args, 0)]

        def mapped(v: NativeVehicle, index: int, last: int) -> None:
            # The descriptor goes first, in a list of its own: a failed mmap ends its list.
            v.run(
                [(NUMBERS["close"], (passing,), 0)],
                lambda v, i, _: machine.finished(v, last),
            )

        v.run(cmds, mapped)


class Clone(Deferred):
    """clone(2): a thread or vfork child on a prepared frame, or a copy-on-write host fork."""

    __slots__ = ("args", "child", "cookie", "told")

    def __init__(self, args: CloneArgs, child: Any, then: Callable[[int], Result | None]) -> None:
        super().__init__(then)
        self.args = args
        self.child = child
        self.cookie = 0
        self.told = False
        """The child's number is known, so its death will be seen."""

    def begin(self, machine: NativeMachine, v: NativeVehicle) -> None:
        v.pending_then = self.then
        if not self.args.flags & CLONE_THREAD:
            machine.births.begin(v, self)
        v.enter_shim(lambda: self.inside(machine, v))

    def parent_goes_on(self, machine: NativeMachine, v: NativeVehicle) -> None:
        """The child rang (or died) after its parent had told of it."""
        if machine.births.end_of(v):
            machine.finished(v, 0)

    def inside(self, machine: NativeMachine, v: NativeVehicle) -> None:
        if not self.args.flags & CLONE_VM:
            self.fork(machine, v)
            return
        space = v.space
        slot = space.free_slot()
        space.slots_used.add(slot)
        if slot < space.slots_mapped:
            self.thread(machine, v, slot)
            return
        at, size = slot_address(space.slots_mapped), SLOT_BATCH * SLOT_SIZE
        space.slots_mapped += SLOT_BATCH

        def mapped(v: NativeVehicle, index: int, last: int) -> None:
            if index != 1:
                space.slots_used.discard(slot)
                space.slots_mapped -= SLOT_BATCH
                machine.finished(v, last)
                return
            self.thread(machine, v, slot)

        v.run([(NUMBERS["mmap"], (at, size, 3, MAP_SLOTS, NO_FD, 0), 0)], mapped)

    def thread(self, machine: NativeMachine, v: NativeVehicle, slot: int) -> None:
        """A vehicle in the same memory, started by returning into a copy of our frame."""
        args, space = self.args, v.space
        try:
            frame = copy_frame(v, slot_address(slot), SLOT_SIZE, slot_address(slot) + SLOT_STACK)
            space.memory.store(frame + register_offset(RAX), bytes(8))
            # A thread whose calls must be routed rings before it runs.
            base, wanted = slot_address(slot), v.machine.bindings.wants_route(v)
            space.memory.store(
                base + FRAME_OFFSET, bytes(8) + wanted.to_bytes(8, "little") + bytes(8)
            )
            if args.stack:
                pointer = args.stack.to_bytes(8, "little")
                space.memory.store(frame + register_offset(RSP), pointer)
        except Errno as bad:
            space.slots_used.discard(slot)
            machine.finished(v, -bad.number)
            return
        flags = args.flags & (CLONE_SETTLS | CLONE_CHILD_CLEARTID) | CLONE_VM
        if args.flags & CLONE_THREAD:
            flags |= CLONE_THREAD | CLONE_SIGHAND | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM
        else:
            flags |= CLONE_PARENT | args.flags & CLONE_FILES
        registers = (flags, frame, 0, args.child_tid, args.tls, 0)

        def done(v: NativeVehicle, index: int, last: int) -> None:
            machine.births.end_of(v)
            if index != 1:
                space.slots_used.discard(slot)
                machine.finished(v, last)
                return
            thread = bool(args.flags & CLONE_THREAD)
            if not machine.births.is_newborn(v, last, thread):
                self.forged(machine, v)
                if self.then is not None:
                    self.then(-EAGAIN.number)
                return
            machine.adopt_thread(v, self.child, last, slot, thread)
            machine.finished(v, 0)

        v.run([(NUMBERS["clone"], registers, 1)], done)

    def forged(self, machine: NativeMachine, v: NativeVehicle) -> None:
        machine.say(f"pid {v.task.process.pid}: a forged result of clone: killed")
        v.pending_then = None
        machine.lost(v, 9)

    def fork(self, machine: NativeMachine, v: NativeVehicle) -> None:
        """Copy-on-write by the host. The child inherits our frame, so it is written first."""
        args, memory = self.args, v.space.memory
        try:
            old_rsp = memory.load(v.frame + register_offset(RSP), 8)
            memory.store(v.frame + register_offset(RAX), bytes(8))
            if args.stack:
                memory.store(v.frame + register_offset(RSP), args.stack.to_bytes(8, "little"))
        except Errno as bad:
            machine.finished(v, -bad.number)
            return
        frame, births = v.frame, machine.births
        waiting: list[Callable[[], None]] = []

        def born(tid: int) -> None:
            try:
                self.born(machine, v, tid, frame)
            finally:
                for go_on in waiting:
                    go_on()

        def stillborn() -> None:
            births.forget(cookie)
            for go_on in waiting:
                go_on()

        self.cookie = cookie = births.expect(self.child, born)
        flags = CLONE_PARENT | args.flags & (CLONE_SETTLS | CLONE_CHILD_CLEARTID | CLONE_FILES)
        registers = (flags, 0, 0, args.child_tid, args.tls, cookie)

        def done(v: NativeVehicle, index: int, last: int) -> None:
            if index != 1:
                births.forget(cookie)
            if args.stack:
                try:
                    memory.store(v.frame + register_offset(RSP), old_rsp)
                except Errno:
                    v.kill()
                    return
            if cookie not in births.cookies:
                births.end_of(v)
                machine.finished(v, last if index != 1 else 0)
            elif births.is_newborn(v, last, False):
                # The parent does not return before the child is there to be signalled (or dead).
                waiting.append(lambda: self.parent_goes_on(machine, v))
                self.told = births.told(self.child, last, stillborn)
            else:
                self.forged(machine, v)

        v.run([(NUMBERS["clone"], registers, 0)], done)

    def born(self, machine: NativeMachine, parent: NativeVehicle, tid: int, frame: int) -> None:
        """The child rang: it is a process of its own, in a copy of the parent's memory."""
        child = machine.adopt_process(parent, self.child, tid, frame)
        if self.args.flags & CLONE_CHILD_SETTID:
            number = self.child.tid.to_bytes(4, "little")
            try:
                child.space.memory.store(self.args.child_tid, number)
            except Errno:
                pass  # Linux ignores a bad address here (schedule_tail's put_user)
        context = child.context(-1)
        if context is not None:
            machine.to_user(child, context)


class ExitThread(Deferred):
    """exit(2) of one thread: wake who waits on its clear_child_tid or its robust locks, then let
    the host end it."""

    __slots__ = ("wakes", "whole_group")

    def __init__(self, whole_group: bool, wakes: Sequence[int] = ()) -> None:
        super().__init__()
        self.whole_group = whole_group
        self.wakes = wakes
        """Futexes that the kernel has changed itself: one waiter of each is to be woken."""

    def begin(self, machine: NativeMachine, v: NativeVehicle) -> None:
        name = "exit_group" if self.whole_group else "exit"
        if not self.wakes and not v.frame and v.task.nr == NUMBERS[name]:
            machine.forget(v)
            machine.let_continue(v)
            return
        wakes = [(NUMBERS["futex"], (addr, 1, 1), 0) for addr in self.wakes]
        v.enter_shim(lambda: self.inside(machine, v, [*wakes, (NUMBERS[name], (0,), 0)]))

    def inside(self, machine: NativeMachine, v: NativeVehicle, cmds: list[Any]) -> None:
        v.run(cmds, lambda v, index, last: None)
        machine.forget(v)


__all__ = ["REPLY_RESUME", "Clone", "ExitThread", "HostCall", "MapFile", "SlowReturn"]
