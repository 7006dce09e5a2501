"""The frames that a signal handler finds on its stack, i386 layouts.

Source: arch/x86/kernel/signal_32.c, arch/x86/include/uapi/asm/sigcontext.h. There are two: the old
one, and one with siginfo and ucontext for SA_SIGINFO handlers.

Deviates: the selectors in FS, GS, DS and ES are the machine's: a frame shows the flat ones, and a
return does not load them.
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EFAULT, Errno
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.signal import SA_RESTORER, SA_SIGINFO, UC_FP_XSTATE
from ring3.task import fpregs
from ring3.task.sending import set_mask
from ring3.task.sigframe import (
    FLAG_DF,
    FLAG_RF,
    FLAG_TF,
    FX_SIZE,
    SAFE_EFLAGS,
    change_alt_stack,
    load_fpstate,
)

if TYPE_CHECKING:
    from ring3.machine.base import UserContext
    from ring3.task.siginfo import SigInfo
    from ring3.task.sigstate import Action
    from ring3.task.task import Task

MASK32: Final = 0xFFFFFFFF
USER_CS: Final = 0x23
USER_DS: Final = 0x2B
# gs fs es ds; edi esi ebp esp ebx edx ecx eax; trapno err eip; cs; eflags esp_at_signal; ss;
# fpstate oldmask cr2
SIGCONTEXT = struct.Struct("<4I8I3II2II3I")
REGISTERS: Final = ("rdi", "rsi", "rbp", "rsp", "rbx", "rdx", "rcx", "rax")
EIP_AT, EFLAGS_AT, FPSTATE_AT, OLDMASK_AT = 14, 16, 19, 20
# uc_flags uc_link; ss_sp ss_flags ss_size
UCONTEXT_HEAD = struct.Struct("<5I")
UC_SIZE: Final = UCONTEXT_HEAD.size + SIGCONTEXT.size + 8

OLD_UNUSED: Final = 624
"""struct _fpstate_32 stands in the old frame for nothing but its size."""
OLD_SIZE: Final = 8 + SIGCONTEXT.size + OLD_UNUSED + 4 + 8
RT_INFO_AT: Final = 16
RT_UC_AT: Final = RT_INFO_AT + 128
RT_SIZE: Final = RT_UC_AT + UC_SIZE + 8
# popl %eax; movl $119, %eax; int $0x80     and without the pop, for rt_sigreturn
OLD_CODE: Final = bytes.fromhex("58b877000000cd80")
RT_CODE: Final = bytes.fromhex("b8ad000000cd8000")


class Frame32:
    """struct sigframe_ia32 and struct rt_sigframe_ia32."""

    def push(
        self, task: Task, context: UserContext, info: SigInfo, action: Action, mask: int
    ) -> bool:
        """Write the frame and enter the handler; False if the stack cannot take it."""
        regs = context.regs
        fx = context.load_fpstate()
        rt = bool(action.flags & SA_SIGINFO)
        placed = self.place(task, action, regs.rsp & MASK32, len(fx), RT_SIZE if rt else OLD_SIZE)
        if placed is None:
            return False
        sp, fp_at = placed
        saved = self.sigcontext(context, info, mask, fp_at)
        build = self.rt_frame if rt else self.old_frame
        flags = UC_FP_XSTATE if len(fx) > FX_SIZE else 0
        try:
            if fx:
                task.memory.store(fp_at, fpregs.from_fxsave(fx) + fx)
            task.memory.store(sp, build(task, info, action, mask, saved, sp, flags))
        except EFAULT:
            return False
        regs.rax = info.signo
        regs.rdx = sp + RT_INFO_AT if rt else 0
        regs.rcx = sp + RT_UC_AT if rt else 0
        regs.rip = action.handler
        regs.rsp = sp
        regs.eflags &= ~(FLAG_DF | FLAG_RF | FLAG_TF)
        return True

    def place(
        self, task: Task, action: Action, sp: int, fx_size: int, size: int
    ) -> tuple[int, int] | None:
        """(address of the frame, address of the FPU state or 0); None if the alternate stack
        would overflow."""
        stack = task.alt_stack
        nested = stack.in_use(sp)
        entering = stack.wanted(action, sp)
        if entering:
            sp = stack.sp + stack.size & MASK32
        fp_at = 0
        if fx_size:
            fp_at = ((sp - fx_size) & ~63) - fpregs.SIZE
            sp = fp_at
        sp = ((sp - size + 4) & ~15) - 4
        if sp < 0 or ((nested or entering) and not stack.holds(sp)):
            return None
        return sp, fp_at

    def sigcontext(self, context: UserContext, info: SigInfo, mask: int, fp_at: int) -> bytes:
        regs = context.regs
        sp = regs.rsp & MASK32
        return SIGCONTEXT.pack(
            *(0, 0, USER_DS, USER_DS),
            *(getattr(regs, name) & MASK32 for name in REGISTERS),
            *(info.trapno & MASK32, info.error & MASK32, regs.rip & MASK32),
            USER_CS,
            *(regs.eflags & MASK32, sp),
            USER_DS,
            *(fp_at, mask & MASK32, info.addr & MASK32 if info.trapno == 14 else 0),
        )

    def old_frame(
        self,
        task: Task,
        info: SigInfo,
        action: Action,
        mask: int,
        saved: bytes,
        sp: int,
        flags: int,
    ) -> bytes:
        own_code = sp + OLD_SIZE - len(OLD_CODE)
        restorer = action.restorer if action.flags & SA_RESTORER else own_code
        return b"".join(
            (
                struct.pack("<II", restorer & MASK32, info.signo),
                saved,
                bytes(OLD_UNUSED),
                struct.pack("<I", mask >> 32),
                OLD_CODE,
            )
        )

    def rt_frame(
        self,
        task: Task,
        info: SigInfo,
        action: Action,
        mask: int,
        saved: bytes,
        sp: int,
        flags: int,
    ) -> bytes:
        own_code = sp + RT_SIZE - len(RT_CODE)
        restorer = action.restorer if action.flags & SA_RESTORER else own_code
        stack = task.alt_stack
        head = UCONTEXT_HEAD.pack(
            flags, 0, stack.sp & MASK32, stack.flags & MASK32, stack.size & MASK32
        )
        return b"".join(
            (
                struct.pack("<4I", restorer & MASK32, info.signo, sp + RT_INFO_AT, sp + RT_UC_AT),
                info.pack(32),
                head,
                saved,
                mask.to_bytes(8, "little"),
                RT_CODE,
            )
        )

    def pop(self, task: Task, context: UserContext) -> bool:
        """rt_sigreturn: the frame lies 4 bytes below, for `ret` took the return address."""
        sp = (context.regs.rsp & MASK32) - 4
        try:
            data = task.memory.load(sp + RT_UC_AT, UC_SIZE)
            _, _, stack_sp, stack_flags, stack_size = UCONTEXT_HEAD.unpack_from(data)
            self.restore(task, context, data[UCONTEXT_HEAD.size :])
        except EFAULT:
            return False
        set_mask(task, int.from_bytes(data[-8:], "little"))
        try:
            change_alt_stack(task, context.regs.rsp & MASK32, stack_sp, stack_flags, stack_size)
        except Errno:
            pass  # Linux does not tell either
        return True

    def pop_old(self, task: Task, context: UserContext) -> bool:
        """sigreturn: `ret` and `popl` took the return address and the signal number."""
        sp = (context.regs.rsp & MASK32) - 8
        try:
            data = task.memory.load(sp, OLD_SIZE)
            self.restore(task, context, data[8:])
        except EFAULT:
            return False
        low = SIGCONTEXT.unpack_from(data, 8)[OLDMASK_AT]
        high = int.from_bytes(data[8 + SIGCONTEXT.size + OLD_UNUSED :][:4], "little")
        set_mask(task, high << 32 | low)
        return True

    def restore(self, task: Task, context: UserContext, saved: bytes) -> None:
        """Registers and FPU state of a struct sigcontext. EFAULT."""
        values = SIGCONTEXT.unpack_from(saved)
        fp_at = values[FPSTATE_AT]
        fx = b""
        if fp_at:
            legacy = task.memory.load(fp_at, fpregs.SIZE)
            fx = fpregs.into_fxsave(legacy, load_fpstate(task, fp_at + fpregs.SIZE))
        regs = context.regs
        for name, value in zip(REGISTERS, values[4:], strict=False):
            setattr(regs, name, value)
        regs.rip = values[EIP_AT]
        regs.eflags = (regs.eflags & ~SAFE_EFLAGS) | (values[EFLAGS_AT] & SAFE_EFLAGS)
        context.store_fpstate(fx)
