"""Doorbells: what the shim says, and what is believed of it.

Everything here comes from memory the guest can write. A doorbell is checked against what the
machine expects of that vehicle; one that does not fit ends the process with a report.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.base import Fault
from ring3.machine.native import step
from ring3.machine.native.protocol import (
    INTERRUPTED,
    K_BOOT,
    K_CHILD,
    K_DONE,
    K_SIGNAL,
    KICK,
    RIP,
    SLOT_SIZE,
    SLOT_STACK,
)

if TYPE_CHECKING:
    from ring3.machine.native.context import NativeContext
    from ring3.machine.native.machine import NativeMachine
    from ring3.machine.native.vehicle import NativeVehicle

SIGSYS = 31
AUDIT_X86_64 = 0xC000003E
FAULTS = frozenset((4, 5, 7, 8, 11))
"""SIGILL SIGTRAP SIGBUS SIGFPE SIGSEGV: raised by the CPU."""
SYSCALL_INSTRUCTION = b"\x0f\x05"
RESTARTABLE = frozenset((0, 1, 17, 18, 19, 20, 202, 449))
"""Calls that run natively and may sleep: read write pread64 pwrite64 readv writev futex(_waitv).
After a kick the host shows them as about to be made again."""
NR_OFFSET_ARGS = (10, 8, 9)


def signed(x: int) -> int:
    return x - (1 << 64) if x >> 63 else x


class Doorbells:
    def __init__(self, machine: NativeMachine) -> None:
        self.machine = machine

    def rang(self, v: NativeVehicle | None, id_: int, tid: int, args: tuple[int, ...]) -> None:
        machine = self.machine
        kind = args[0] & 0xFF
        if kind == K_CHILD:
            machine.born_id = id_
            if v is not None or not machine.births.rang(args[1], tid):
                if v is None:
                    machine.births.end(tid)
                self.forged(v, id_, "a birth nobody expected")
            return
        if v is None:
            machine.births.early.setdefault(tid, []).append((id_, tid, 110, args))
            return
        if v is not machine.zygote:
            v.expecting = []
        if kind == K_SIGNAL and not v.gone:
            self.signal(v, id_, args)
        elif kind == K_DONE and v.done is not None:
            v.id = id_
            done, v.done = v.done, None
            last = signed(args[2])
            if last == INTERRUPTED:
                v.kicked = False
            done(v, args[1], last)
        elif kind == K_BOOT and v.process.booting is not None:
            self.boot(v, id_, args)
        else:
            self.forged(v, id_, f"doorbell {kind} out of turn")

    def boot(self, v: NativeVehicle, id_: int, args: tuple[int, ...]) -> None:
        """A shim has booted: after launch, in a child of the zygote, or after an exec."""
        booting, v.process.booting = v.process.booting, None
        assert booting is not None
        if v is not self.machine.zygote:
            self.machine.renew(v)
        v.id, v.frame = id_, 1
        v.done = None
        v.kicked = False
        v.shim_entered = None
        booting(v, args[1], args[2])

    def forged(self, v: NativeVehicle | None, id_: int, why: str) -> None:
        """Only a guest that plays with the shim gets here."""
        if v is not None and v is not self.machine.zygote:
            self.machine.say(f"pid {v.task.process.pid}: {why}: killed")
            self.machine.lost(v, 9)
        step.send(self.machine.listener, id_, 0, -1, 0)

    def signal(self, v: NativeVehicle, id_: int, args: tuple[int, ...]) -> None:
        signo, uc = args[0] >> 8 & 0xFF, args[1]
        base = v.slot_base
        if not base + SLOT_STACK <= uc < base + SLOT_SIZE - 304:
            self.forged(v, id_, "a signal frame outside its stack")
            return
        v.id, v.frame = id_, uc
        if signo == SIGSYS:
            self.call(v, args)
        elif signo == KICK:
            self.kick(v)
        elif signo in FAULTS:
            self.fault(v, signo, args)
        else:
            self.host_signal(v, signo)

    def call(self, v: NativeVehicle, args: tuple[int, ...]) -> None:
        """A call that came as SIGSYS: three arguments with the doorbell, the rest in the frame."""
        nr, abi = args[2] & 0xFFFFFFFF, args[2] >> 32
        if abi != AUDIT_X86_64:
            self.machine.log.once(
                "a 64-bit program used int 0x80: ENOSYS on the native machine"
                " (the emulated machine serves it)"
            )
            self.machine.answer(v, -38)
            return
        try:
            more = v.space.memory.load(v.frame + 40, 24)  # r8 r9 r10
        except Exception:
            self.machine.lost(v, 11)
            return
        r8, r9, r10 = (int.from_bytes(more[i : i + 8], "little") for i in (0, 8, 16))
        result = self.machine.supervisor.serve(v.task, nr, (*args[3:6], r10, r8, r9))
        if result is not None:
            self.machine.settle(v, result)

    def kick(self, v: NativeVehicle) -> None:
        v.kicked = False
        waiting, v.shim_entered = v.shim_entered, None
        if waiting is not None:
            waiting()
            return
        context = v.context(-1)
        if context is None:
            return
        self.show_interrupted(context)
        self.machine.to_user(v, context)

    def show_interrupted(self, context: NativeContext) -> None:
        """The host restarts an interrupted sleep by itself. Show the kernel the state before
        that, so that it can decide as Linux does for the handler that is going to run."""
        regs = context.regs
        nr, rip = regs.rax, regs.rip
        if nr not in RESTARTABLE:
            return
        try:
            if context.memory.load(rip, 2) != SYSCALL_INSTRUCTION:
                return
        except Exception:
            return
        context.call_nr = nr
        regs.rip = rip + 2
        regs.rax = INTERRUPTED & (1 << 64) - 1

    def fault(self, v: NativeVehicle, signo: int, args: tuple[int, ...]) -> None:
        context = v.context(-1)
        if context is None:
            return
        err, trapno = context.fields[5 + 19], context.fields[5 + 20]
        code = args[3] & 0xFFFFFFFF
        if code >> 31:
            code -= 1 << 32
        self.machine.fault(v, Fault(signo, code, args[2], trapno, err), context)

    def host_signal(self, v: NativeVehicle, signo: int) -> None:
        """A signal the host made because of a native call (SIGPIPE, SIGXFSZ): the guest's now."""
        context = v.context(-1)
        if context is None:
            return
        self.machine.fault(v, Fault(signo, 0, 0), context)


__all__ = ["RIP", "Doorbells"]
