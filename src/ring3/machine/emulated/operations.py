"""What a call may ask of its vehicle: the machine's Deferred results.

Each begins when the handler has returned it and the vehicle has the CPU, and ends by handing a
result to ``machine.settle``. Nothing here waits for anybody: this machine owns its registers and
page tables.
"""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EBUSY, EFAULT, EINVAL, ENOMEM, ENOSYS, EPERM, Errno
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.prctl import (
    ARCH_GET_FS,
    ARCH_GET_GS,
    ARCH_GET_XCOMP_GUEST_PERM,
    ARCH_GET_XCOMP_PERM,
    ARCH_GET_XCOMP_SUPP,
    ARCH_SET_FS,
    ARCH_SET_GS,
)
from ring3.abi.sched import (
    CLONE_CHILD_SETTID,
    CLONE_SETTLS,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    RSEQ_FLAG_UNREGISTER,
)
from ring3.abi.syscalls_i386 import NUMBERS as NUMBERS_32
from ring3.abi.syscalls_x86_64 import NUMBERS as NUMBERS_64
from ring3.machine.base import CloneArgs, Deferred, Image, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.machine.base import UserContext
    from ring3.machine.emulated.machine import EmulatedMachine
    from ring3.machine.emulated.thread import EmulatedVehicle

XFEATURES = 3
"""x87 and SSE: what XCR0 enables here."""
RSEQ_SIZE, RSEQ_ALIGN = 32, 32


class Now(Deferred):
    """A result that is known already, for ``then`` to look at."""

    __slots__ = ("result",)

    def __init__(self, result: int, then: Callable[[int], Result | None] | None = None) -> None:
        super().__init__(then)
        self.result = result

    def begin(self, machine: EmulatedMachine, v: EmulatedVehicle) -> None:
        v.pending_then = self.then
        machine.finished(v, self.result)


class SlowReturn(Deferred):
    """Return through the full user context: restarts, signal handlers, sigreturn."""

    __slots__ = ("edit", "result")

    def __init__(self, result: int, edit: Callable[[UserContext], None] | None) -> None:
        super().__init__()
        self.result = result
        self.edit = edit

    def begin(self, machine: EmulatedMachine, v: EmulatedVehicle) -> None:
        context = v.context()
        context.regs.rax = self.result
        if self.edit is not None:
            self.edit(context)
        machine.to_user(v, context)


class Clone(Deferred):
    """clone(2): the child stands where its parent does, on a kernel stack of its own."""

    __slots__ = ("args", "child")

    def __init__(self, args: CloneArgs, child: Any, then: Callable[[int], Result | None]) -> None:
        super().__init__(then)
        self.args = args
        self.child = child

    def begin(self, machine: EmulatedMachine, v: EmulatedVehicle) -> None:
        v.pending_then = self.then
        try:
            self.make(machine, v)
        except Errno as bad:
            machine.finished(v, -bad.number)
            return
        except MemoryError:
            machine.finished(v, -ENOMEM.number)
            return
        machine.finished(v, 0)

    def make(self, machine: EmulatedMachine, v: EmulatedVehicle) -> None:
        args, child = self.args, self.child
        space = v.space.share() if args.flags & CLONE_VM else machine.lives.fork_space(v.space)
        try:
            new = machine.lives.new_vehicle(
                v.process if args.flags & CLONE_THREAD else None, child, space
            )
        except BaseException:
            space.drop()
            raise
        new.tls, new.iopl, new.ports = list(v.tls), v.iopl, v.ports
        new.entry_page = v.entry_page
        machine.lives.copy_cpu(v, new)
        new.set_frame_field("rax", 0)
        if args.stack:
            new.set_frame_field("rsp", args.stack)
        if args.flags & CLONE_SETTLS:
            machine.lives.set_thread_pointer(new, args.tls)
        if not args.flags & CLONE_VM and v.rseq is not None:
            new.rseq = v.rseq
        if args.flags & CLONE_CHILD_SETTID and not args.flags & CLONE_VM:
            try:
                child.memory.store(args.child_tid, child.tid.to_bytes(4, "little"))
            except EFAULT:
                pass  # Linux ignores a bad address here (schedule_tail's put_user)
        new.notify = child.attention != 0
        machine.make_ready(new)
        if args.flags & CLONE_VFORK:
            machine.need_resched = True


class Exec(Deferred):
    """execve(2): a new address space, then registers that enter the program."""

    __slots__ = ("image",)

    def __init__(self, image: Image, then: Callable[[int], Result | None]) -> None:
        super().__init__(then)
        self.image = image

    def begin(self, machine: EmulatedMachine, v: EmulatedVehicle) -> None:
        from ring3.machine.emulated.loading import Loader

        assert self.then is not None
        loader = Loader(machine, self.image)
        try:
            loader.prepare(v.task)
        except Errno as bad:
            loader.discard()
            v.pending_then = self.then
            machine.finished(v, -bad.number)
            return
        machine.lives.end_other_threads(v)
        loader.take_over(v)
        self.then(0)
        loader.enter(v)


class ExitThread(Deferred):
    """exit(2) of one thread, or exit_group(2)."""

    __slots__ = ("whole_group",)

    def __init__(self, whole_group: bool) -> None:
        super().__init__()
        self.whole_group = whole_group

    def begin(self, machine: EmulatedMachine, v: EmulatedVehicle) -> None:
        if self.whole_group or len(v.process.vehicles) == 1:
            machine.lives.kill(v.process)
        else:
            machine.lives.end_thread(v)


# --- calls about the CPU itself -------------------------------------------------------------------
def own_call(v: EmulatedVehicle, nr: int, args: Sequence[int]) -> Result:
    """A call that concerns this CPU or this thread alone. ENOSYS for one that no machine of this
    kind is asked for."""
    numbers = NUMBERS_64 if v.task.abi == "x86_64" else NUMBERS_32
    for name, serve in OWN_CALLS.items():
        if numbers.get(name) == nr:
            return serve(v, *args)
    raise ENOSYS(f"call {nr} is not for the emulated machine")


def membarrier(v: EmulatedVehicle, command: int, flags: int, cpu: int) -> int:
    """One CPU, and every entry into the kernel orders it (membarrier(2))."""
    supported = 0x1FF
    if flags:
        raise EINVAL("membarrier flags")
    if command == 0:
        return supported
    if command & ~supported or command & (command - 1):
        raise EINVAL("membarrier command")
    if command in (8, 32, 128) and not v.process.barriers & command << 1:
        raise EPERM("membarrier: not registered")
    if command in (16, 64, 256):
        v.process.barriers |= command
    return 0


def rseq(v: EmulatedVehicle, area: int, size: int, flags: int, signature: int) -> int:
    """rseq(2): the one CPU's number is stored once; preemption looks at the critical section."""
    if flags & RSEQ_FLAG_UNREGISTER:
        if flags & ~RSEQ_FLAG_UNREGISTER or v.rseq is None or v.rseq[0] != area:
            raise EINVAL("rseq: not registered there")
        if v.rseq[1] != size:
            raise EINVAL("rseq size")
        if v.rseq[2] != signature:
            raise EPERM("rseq signature")
        v.task.memory.store(area, b"\0\0\0\0" + b"\xff" * 4 + bytes(RSEQ_SIZE - 8))
        v.rseq = None
        return 0
    if flags:
        raise EINVAL("rseq flags")
    if v.rseq is not None:
        if v.rseq[0] != area or v.rseq[1] != size:
            raise EINVAL("rseq: registered elsewhere")
        if v.rseq[2] != signature:
            raise EPERM("rseq signature")
        raise EBUSY("rseq: registered")
    if area % RSEQ_ALIGN or size < RSEQ_SIZE:
        raise EINVAL("rseq alignment or size")
    v.task.memory.store(area, bytes(size))
    v.rseq = (area, size, signature)
    return 0


def arch_prctl(v: EmulatedVehicle, op: int, addr: int) -> int:
    """Segment bases of 64-bit code, and queries of the extended state (arch_prctl(2))."""
    cpu = v.machine.engine.cpu
    memory = v.task.memory
    if op == ARCH_SET_FS:
        cpu.fs_base = addr
    elif op == ARCH_SET_GS:
        cpu.kernel_gs_base = addr  # SWAPGS makes it the user's
    elif op == ARCH_GET_FS:
        memory.store(addr, cpu.fs_base.to_bytes(8, "little"))
    elif op == ARCH_GET_GS:
        memory.store(addr, cpu.kernel_gs_base.to_bytes(8, "little"))
    elif op in (ARCH_GET_XCOMP_SUPP, ARCH_GET_XCOMP_PERM, ARCH_GET_XCOMP_GUEST_PERM):
        memory.store(addr, XFEATURES.to_bytes(8, "little"))
    else:
        raise EINVAL("arch_prctl")
    return 0


def getcpu(v: EmulatedVehicle, cpu: int, node: int, cache: int) -> int:
    for at in (cpu, node):
        if at:
            v.task.memory.store(at, bytes(4))
    return 0


def unshare(v: EmulatedVehicle, flags: int) -> int:
    """The kernel has unshared its own tables; the machine has none."""
    return 0


OWN_CALLS: dict[str, Callable[..., int]] = {
    "membarrier": membarrier,
    "rseq": rseq,
    "arch_prctl": arch_prctl,
    "getcpu": getcpu,
    "unshare": unshare,
}

__all__ = ["EAGAIN", "Clone", "Exec", "ExitThread", "Now", "SlowReturn", "own_call"]
