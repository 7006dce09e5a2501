"""The board's memory map, selectors, vectors and hypercall ports.

Selectors are Linux's (arch/x86/include/asm/segment.h), so that a guest sees the numbers it knows.
"""

from __future__ import annotations

from ring3.abi.hints import Final

PAGE: Final = 4096
WORD: Final = (1 << 64) - 1
"""All bits of a register."""
RAM_SIZE: Final = 1 << 30
"""Default size of RAM, in bytes. The host gives it page by page, as it is touched."""

# --- physical memory: fixed places below FIRST_FRAME, frames for everything else above ------------
GDT_PA: Final = 0x1000
IDT_PA: Final = 0x2000
TSS_PA: Final = 0x3000
"""The TSS, followed by its I/O permission bitmap (8,193 bytes)."""
PERCPU_PA: Final = 0x7000
"""What GS points to in ring 0 (KERNEL_GS_BASE in user mode)."""
IST_DF_PA: Final = 0x8000
"""Top of the double fault stack is the end of this page."""
FPU_PA: Final = 0x9000
"""512 bytes through which FXSAVE and FXRSTOR images pass."""
BOUNCE_PA: Final = 0x20000
"""Kernel buffer of the copy routines: copies of any length go through it piece by piece."""
BOUNCE_SIZE: Final = 0x20000
TEXT_PA: Final = 0x100000
"""The ring-0 text (entry.S)."""
TEXT_SIZE: Final = 0x4000
VSYSCALL_PA: Final = TEXT_PA + TEXT_SIZE
"""The frame of the vsyscall page."""
KERNEL_TABLES_PA: Final = 0x110000
"""Page tables of the kernel half, shared by all address spaces, up to FIRST_FRAME."""
FIRST_FRAME: Final = 0x400000

# --- virtual memory of ring 0 ---------------------------------------------------------------------
DIRECT_MAP: Final = 0xFFFF888000000000
"""All of RAM, readable and writable in ring 0, never executable (Linux's page_offset_base)."""
STACKS: Final = 0xFFFFC90000000000
"""Kernel stacks, each STACK_SIZE bytes after an unmapped guard page (Linux's vmalloc area)."""
STACK_SIZE: Final = 0x2000
TEXT: Final = 0xFFFFFFFF81000000
"""Where TEXT_PA is mapped, executable, read-only."""
VSYSCALL: Final = 0xFFFFFFFFFF600000
"""The vsyscall page, user executable."""
USER_END: Final = 0x00007FFFFFFFF000
"""First address above user space (TASK_SIZE_MAX)."""
USER_END_32: Final = 0xFFFFE000

# --- selectors ------------------------------------------------------------------------------------
KERNEL_CS: Final = 0x10
KERNEL_DS: Final = 0x18
USER32_CS: Final = 0x23
USER_DS: Final = 0x2B
USER_CS: Final = 0x33
TSS_SELECTOR: Final = 0x40
CPU_NODE: Final = 0x7B
"""A segment whose limit is the CPU's number (getcpu without a call, by LSL)."""
TLS_FIRST: Final = 12
"""First of the three GDT entries of thread-local storage (set_thread_area)."""
CALL_GATE: Final = 0x83
"""The call gate of 64-bit code (a 16-byte descriptor at GDT entries 16 and 17): lcall $0x83."""
GDT_ENTRIES: Final = 18

# --- per-CPU words, at GS:offset ------------------------------------------------------------------
PERCPU_KSTACK: Final = 0
"""Top of the current thread's kernel stack (the same value as TSS.RSP0)."""
PERCPU_SCRATCH: Final = 8
"""The user's rsp while SYSCALL's entry switches stacks."""

# --- vectors --------------------------------------------------------------------------------------
VECTOR_IRQ: Final = 0x20
"""Vector of IRQ 0; sixteen follow."""
IRQ_TIMER: Final = 0
IRQ_KEYBOARD: Final = 1
IRQ_NET: Final = 11
IRQ_DISK: Final = 14
VECTOR_SYSCALL: Final = 0x80

# --- hypercall ports (OUT imm8, AL by ring 0) -----------------------------------------------------
PORT_SYSCALL: Final = 0x10
PORT_SYSENTER: Final = 0x11
PORT_INT80: Final = 0x12
PORT_CALL_GATE: Final = 0x13
"""A system call: rsp points to its pt_regs. Python puts 0 (fast way out) or 1 (full) into AL."""
PORT_EXCEPTION: Final = 0x18
"""An exception: rsp points to pt_regs, whose orig_rax holds the error code; RSI the vector."""
PORT_IRQ: Final = 0x19
"""An external interrupt: rsp points to pt_regs; RSI holds the vector."""
PORT_COPIED: Final = 0x1A
"""A copy routine ended: RAX holds the bytes (or, by routine, the value) it did not manage."""
PORT_START: Final = 0x1B
"""A new thread's first entry into its user code (ret_from_fork)."""

# --- pt_regs, in this order from its lowest address (arch/x86/include/asm/ptrace.h) ---------------
PT_REGS: Final = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8",
    "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss",
)  # fmt: skip
PT_REGS_SIZE: Final = 8 * len(PT_REGS)

# --- why Engine.run() returned --------------------------------------------------------------------
EXIT_HYPERCALL: Final = 1
EXIT_BUDGET: Final = 2
"""The block budget is used up: time for the timer."""
EXIT_HALT: Final = 3
EXIT_SHUTDOWN: Final = 4
"""Triple fault: the board is dead (a bug of the ring-0 text, never the guest's doing)."""

# --- what Engine.probe is told --------------------------------------------------------------------
PROBES: Final = {
    "entry": "a way into ring 0: kind (syscall, sysenter, int, call_gate, exception, irq), vector, "
    "error, before and after (registers: rip rsp rflags cs ss cpl, and what the instruction "
    "changes), reads (what was loaded from where: MSR, IDT, GDT, TSS), writes (stack pushes)",
    "return": "a way back: kind (sysret, sysexit, iret, retf), before, after, reads (words popped)",
    "walk": "a page-table walk: address, access, steps ((level, table, index, entry) ...), fault",
    "fault": "a page fault served: address, error, cpl, action (zero, file, cow, grow, signal)",
    "copy": "a copy from or to user memory: direction, address, size, done, value",
    "switch": "another thread on the CPU: from, to",
    "irq": "a device's request: irq, what",
}
