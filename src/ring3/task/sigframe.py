"""The frame that a signal handler finds on its stack, x86-64 layout.

Source: arch/x86/kernel/signal_64.c, arch/x86/include/uapi/asm/sigcontext.h and ucontext.h. The
i386 layouts are a second class with the same two methods (sigframe32.py).
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EFAULT, Errno
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.signal import (
    SA_RESTORER,
    SA_SIGINFO,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
    UC_FP_XSTATE,
    UC_SIGCONTEXT_SS,
    UC_STRICT_RESTORE_SS,
)
from ring3.task.sending import set_mask
from ring3.task.sigstate import AltStack

if TYPE_CHECKING:
    from ring3.machine.base import UserContext
    from ring3.task.sigframe32 import Frame32
    from ring3.task.siginfo import SigInfo
    from ring3.task.sigstate import Action
    from ring3.task.task import Task

MASK64: Final = (1 << 64) - 1
RED_ZONE: Final = 128
MINSIGSTKSZ: Final = 2048

# uc_flags, uc_link, uc_stack (sp, flags, size)
UCONTEXT_HEAD = struct.Struct("<QQQiIQ")
# r8..r15 rdi rsi rbp rbx rdx rax rcx rsp rip eflags; cs gs fs ss; err trapno oldmask cr2; fpstate
SIGCONTEXT = struct.Struct("<18Q4H4QQ64x")
UC_SIZE: Final = UCONTEXT_HEAD.size + SIGCONTEXT.size + 8
INFO_AT: Final = 8 + UC_SIZE
FRAME_SIZE: Final = INFO_AT + 128

USER_CS: Final = 0x33
USER_SS: Final = 0x2B
CODE_SELECTORS: Final = (0x33, 0x23)
"""64-bit code, and the 32-bit code that a 64-bit program may jump to."""
FLAG_DF: Final = 0x400
FLAG_RF: Final = 0x10000
FLAG_TF: Final = 0x100
SAFE_EFLAGS: Final = 0x50DD5
"""What sigreturn may set: AC OF DF TF SF ZF AF PF CF RF (FIX_EFLAGS)."""

FX_SIZE: Final = 512
FP_XSTATE_MAGIC1: Final = 0x46505853
FP_XSTATE_MAGIC2: Final = 0x46505845
SW_BYTES_AT: Final = 464
# struct _fpx_sw_bytes: magic1, extended_size, xfeatures, xstate_size
SW_BYTES = struct.Struct("<IIQI")
XSTATE_MAX: Final = 16384
"""More than any present CPU's XSAVE area (AMX: 11 KiB)."""


class Frame64:
    """struct rt_sigframe of x86-64."""

    def push(
        self, task: Task, context: UserContext, info: SigInfo, action: Action, mask: int
    ) -> bool:
        """Write the frame and enter the handler; False if the stack cannot take it."""
        if not action.flags & SA_RESTORER:
            return False
        regs = context.regs
        fpstate = context.load_fpstate()
        placed = self.place(task, action, regs.rsp, len(fpstate))
        if placed is None:
            return False
        sp, fp_at = placed
        stack = task.alt_stack
        flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
        if len(fpstate) > FX_SIZE:
            flags |= UC_FP_XSTATE
        code = getattr(context, "code_selector", USER_CS)
        values = [getattr(regs, name) & MASK64 for name in regs.NAMES]
        frame = b"".join(
            (
                action.restorer.to_bytes(8, "little"),
                UCONTEXT_HEAD.pack(flags, 0, stack.sp, as_int(stack.flags), 0, stack.size),
                SIGCONTEXT.pack(
                    *values,
                    *(code, 0, 0, USER_SS),
                    *(info.error, info.trapno, mask, info.addr if info.trapno == 14 else 0),
                    fp_at,
                ),
                mask.to_bytes(8, "little"),
                info.pack(64) if action.flags & SA_SIGINFO else bytes(128),
            )
        )
        try:
            if fpstate:
                task.memory.store(fp_at, fpstate)
            task.memory.store(sp, frame)
        except EFAULT:
            return False
        regs.rdi = info.signo
        regs.rsi = sp + INFO_AT
        regs.rdx = sp + 8
        regs.rax = 0
        regs.rip = action.handler
        regs.rsp = sp
        regs.eflags &= ~(FLAG_DF | FLAG_RF | FLAG_TF)
        if code != USER_CS:
            context.code_selector = USER_CS  # type: ignore[attr-defined]
        return True

    def place(self, task: Task, action: Action, rsp: int, fp_size: int) -> tuple[int, int] | None:
        """(address of the frame, address of the FPU state or 0); None if the alternate stack
        would overflow."""
        stack = task.alt_stack
        sp = rsp - RED_ZONE
        nested = stack.in_use(rsp)
        entering = stack.wanted(action, sp)
        if entering:
            sp = stack.sp + stack.size & MASK64
        fp_at = 0
        if fp_size:
            sp = fp_at = (sp - fp_size) & ~63
        sp = ((sp - FRAME_SIZE) & ~15) - 8
        if sp < 0 or ((nested or entering) and not stack.holds(sp)):
            return None
        return sp, fp_at

    def pop(self, task: Task, context: UserContext) -> bool:
        """Restore what ``push`` saved, from wherever the stack pointer is now."""
        regs = context.regs
        try:
            # The restorer was entered by `ret`, which took pretcode off the stack.
            data = task.memory.load(regs.rsp, UC_SIZE)
            _, _, stack_sp, stack_flags, _, stack_size = UCONTEXT_HEAD.unpack_from(data)
            values = SIGCONTEXT.unpack_from(data, UCONTEXT_HEAD.size)
            fp_at = values[26]
            fpstate = load_fpstate(task, fp_at) if fp_at else b""
        except EFAULT:
            return False
        eflags = regs.eflags
        for name, value in zip(regs.NAMES, values, strict=False):
            setattr(regs, name, value)
        regs.eflags = (eflags & ~SAFE_EFLAGS) | (values[17] & SAFE_EFLAGS)
        code = values[18] | 3
        if hasattr(context, "code_selector"):
            if code not in CODE_SELECTORS:
                return False  # IRET would refuse it
            context.code_selector = code
        context.store_fpstate(fpstate)
        set_mask(task, int.from_bytes(data[-8:], "little"))
        try:
            change_alt_stack(task, regs.rsp, stack_sp, stack_flags & 0xFFFFFFFF, stack_size)
        except Errno:
            pass  # Linux does not tell either: the handler may have asked for nonsense
        return True


def as_int(flags: int) -> int:
    """An unsigned 32-bit word as a C int."""
    return flags - (1 << 32) if flags >> 31 else flags


def load_fpstate(task: Task, at: int) -> bytes:
    """The FPU state of a frame: the extended one if its two magic numbers stand, or the first
    512 bytes without claim to more. EFAULT."""
    state = task.memory.load(at, FX_SIZE)
    magic, extended, _, size = SW_BYTES.unpack_from(state, SW_BYTES_AT)
    if magic == FP_XSTATE_MAGIC1 and FX_SIZE + 64 <= size <= extended - 4 <= XSTATE_MAX:
        whole = task.memory.load(at, extended)
        if whole[size : size + 4] == FP_XSTATE_MAGIC2.to_bytes(4, "little"):
            return whole
    return state[:SW_BYTES_AT] + bytes(FX_SIZE - SW_BYTES_AT)


def change_alt_stack(
    task: Task, now: int, sp: int, flags: int, size: int, least: int = MINSIGSTKSZ
) -> None:
    """sigaltstack(2)'s rules; *now* is the stack pointer. EPERM, EINVAL, ENOMEM."""
    from ring3.abi.errno import EINVAL, ENOMEM, EPERM

    if task.alt_stack.in_use(now):
        raise EPERM("the alternate stack is in use")
    mode = flags & ~SS_AUTODISARM
    if mode not in (0, SS_DISABLE, SS_ONSTACK):
        raise EINVAL("ss_flags")
    if mode == SS_DISABLE:
        task.alt_stack = AltStack(0, flags, 0)
        return
    if size < least:
        raise ENOMEM("alternate stack too small")
    task.alt_stack = AltStack(sp, flags, size)


FRAME64: Final = Frame64()


def frame_for(abi: str) -> Frame64 | Frame32:
    """The frame layout of *abi*."""
    if abi == "x86_64":
        return FRAME64
    from ring3.task.sigframe32 import Frame32

    return Frame32()
