"""The ring-0 text of one way in and out: how many instructions, and how many touch memory.

Counted by disassembling the kernel's text in the board's RAM from the entry label to the hypercall
and from there to the return instruction: that path has one conditional jump, which is not taken.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ring3.explain.tiny import Way

ENTRIES: Final = {
    "SYSCALL": "entry_syscall",
    "SYSENTER": "entry_sysenter",
    "INT 0x80": "entry_int80",
    "call gate": "entry_call_gate",
}
WAYS_OUT: Final = {
    "sysret": ("return_sysret", "way_out_sysret"),
    "sysexit": ("return_sysexit", "way_out_sysexit"),
    "retf": ("return_far", "way_out_far"),
    "iret": ("return_full", "way_out_iret"),
}
LONGEST: Final = 512
NO_MEMORY: Final = frozenset(("nop", "lea"))


class Stub:
    """The counts, and the listing."""

    def __init__(self) -> None:
        self.instructions = 0
        self.memory = 0
        self.lines: list[tuple[int, str, str]] = []
        """(address, bytes, text)"""

    @classmethod
    def of(cls, machine: Any, kind: str | None, way: Way) -> Stub | None:
        """The stub of *way*, returning by *kind*; None where it cannot be read."""
        try:
            import capstone
        except ImportError:
            return None
        engine = getattr(getattr(machine, "hw", None), "engine", None)
        if engine is None or kind not in WAYS_OUT:
            return None
        first, last = WAYS_OUT[kind]
        made = cls()
        disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        disassembler.detail = True
        entry = engine.routine(ENTRIES[way.name])
        if not made.count(engine, disassembler, entry, 0):
            return None
        if not made.count(engine, disassembler, engine.routine(first), engine.routine(last)):
            return None
        return made

    def count(self, engine: Any, disassembler: Any, start: int, last: int) -> bool:
        """Count from *start* to the instruction at *last*, or through the hypercall and the test of
        its answer where *last* is 0. False if the end was not found."""
        at = engine.memory.physical(start, False)
        text = bytes(engine.ram[at : at + LONGEST])
        called = False
        for i in disassembler.disasm(text, start):
            if i.mnemonic == "nop":
                continue  # the landing place of SYSCALLs with prefixes: not part of the way
            self.instructions += 1
            self.lines.append((i.address, bytes(i.bytes).hex(" "), f"{i.mnemonic} {i.op_str}"))
            self.memory += accesses(i)
            called = called or i.mnemonic == "out"
            if i.address == last or (not last and called and i.mnemonic in ("jne", "jmp")):
                return True
        return False


def accesses(instruction: Any) -> int:
    """Memory accesses of one instruction, 8 bytes at most each, the stack's included."""
    name = instruction.mnemonic
    if name in NO_MEMORY:
        return 0
    stack = {"push": 1, "pop": 1, "pushfq": 1, "popfq": 1, "iretq": 5, "retfq": 4}.get(name, 0)
    operands = [o for o in instruction.operands if o.type == 3]  # X86_OP_MEM
    both = 2 if name in ("xchg", "or", "and", "add", "sub") else 1
    return stack + len(operands) * both
