"""What the processor finds when it starts: text and descriptors in RAM, segments and MSRs."""

from __future__ import annotations

from ring3.abi.hints import Final
from ring3.machine.emulated import layout as at
from ring3.machine.emulated import segments
from ring3.machine.emulated.entry_code import SYMBOLS, TEXT_HEX, VSYSCALL_HEX
from ring3.machine.emulated.fast_calls import SFMASK
from ring3.machine.emulated.image import CS, DS, ES, FS, GS, RIP, SS, CpuImage

SYSENTER_STACK: Final = at.DIRECT_MAP + at.PERCPU_PA + at.PAGE
"""Where SYSENTER lands before its first instruction switches stacks: for a #DB by TF alone."""


def load_text(ram: memoryview) -> None:
    """Put the ring-0 text, the vsyscall page, GDT, IDT and TSS into RAM."""
    text = bytes.fromhex(TEXT_HEX)
    ram[at.TEXT_PA : at.TEXT_PA + at.TEXT_SIZE] = text.ljust(at.TEXT_SIZE, b"\xcc")
    page = bytes.fromhex(VSYSCALL_HEX).ljust(at.PAGE, b"\xcc")
    ram[at.VSYSCALL_PA : at.VSYSCALL_PA + at.PAGE] = page
    segments.write_tss(ram)
    segments.write_gdt(ram, at.TEXT + SYMBOLS["entry_call_gate"])
    for vector in range(32):
        # Breakpoint and overflow are for user code to raise (SDM Vol. 3A, 6.12.1.1); the double
        # fault gets a stack of its own, as the current one may be why it happened.
        dpl = 3 if vector in (3, 4) else 0
        ist = 1 if vector == 8 else 0
        segments.write_gate(ram, vector, at.TEXT + SYMBOLS[f"exception_{vector}"], dpl, ist)
    for number in range(16):
        segments.write_gate(ram, at.VECTOR_IRQ + number, at.TEXT + SYMBOLS[f"irq_{number}"])
    segments.write_gate(ram, at.VECTOR_SYSCALL, at.TEXT + SYMBOLS["entry_int80"], dpl=3)


def load_registers(cpu: CpuImage) -> None:
    """Ring 0 as entry_start expects it: kernel segments, per-CPU GS, MSRs of the entries."""
    for index in range(17):
        cpu.q[index] = 0
    cpu.rflags = 2
    cpu.set_segment(CS, at.KERNEL_CS, 0, segments.FLAT_LIMIT, segments.KERNEL_CS_FLAGS)
    cpu.set_segment(SS, at.KERNEL_DS, 0, segments.FLAT_LIMIT, segments.KERNEL_DS_FLAGS)
    user_segments(cpu, 64)
    cpu.gs_base = at.DIRECT_MAP + at.PERCPU_PA
    cpu.kernel_gs_base = 0
    cpu.star = (at.USER32_CS << 48) | (at.KERNEL_CS << 32)
    cpu.lstar = at.TEXT + SYMBOLS["entry_syscall"]
    cpu.sfmask = SFMASK
    cpu.sysenter_cs = at.KERNEL_CS
    cpu.sysenter_esp = SYSENTER_STACK
    cpu.sysenter_eip = at.TEXT + SYMBOLS["entry_sysenter"]
    cpu.q[RIP] = at.TEXT + SYMBOLS["entry_start"]
    cpu.forget_exception()


def user_segments(cpu: CpuImage, bits: int) -> None:
    """Data segments of a fresh program: null for 64-bit code, flat for 32-bit code."""
    for index in (DS, ES):
        if bits == 32:
            cpu.set_segment(index, at.USER_DS, 0, segments.FLAT_LIMIT, segments.USER_DS_FLAGS)
        else:
            cpu.set_segment(index, 0, 0, 0, 0)
    for index in (FS, GS):
        base = cpu.gs_base if index == GS else 0
        cpu.set_segment(index, 0, base, 0, 0)
