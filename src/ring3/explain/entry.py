"""Chapter 3: what the CPU does when the program calls, as far as the machine shows it."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain import film
from ring3.explain.disassembly import trap_address
from ring3.explain.film import Step

if TYPE_CHECKING:
    from ring3.explain.tape import Tape

AC = 1 << 18
FLAGS = ((0, "CF"), (2, "PF"), (4, "AF"), (6, "ZF"), (7, "SF"), (8, "TF"), (9, "IF"), (10, "DF"),
         (11, "OF"), (14, "NT"), (16, "RF"), (18, "AC"), (21, "ID"))  # fmt: skip
REGISTERS = ("rip", "cs", "ss", "cpl", "rsp", "rflags", "rcx", "r11")
NAMES = {
    "syscall": "SYSCALL",
    "sysenter": "SYSENTER",
    "int": "INT",
    "call_gate": "CALL through a call gate",
}
MODELS = {
    "syscall": (
        "SYSCALL pushes nothing and touches no memory: the return address goes to rcx, the flags "
        "to r11, the new rip comes from the MSR IA32_LSTAR, the segments from IA32_STAR; the bits "
        "of IA32_FMASK are cleared in the flags. The stack is still the program's: the first "
        "instructions in ring 0 must do without one, do SWAPGS and fetch the kernel's."
    ),
    "sysenter": (
        "SYSENTER takes rip, rsp and cs from three MSRs and saves nothing at all: where to return "
        "to is a convention between the kernel and the vDSO, and the program's stack pointer is "
        "in ebp because the vDSO put it there."
    ),
    "int": (
        "INT reads its gate in the IDT (a gate whose DPL is below the caller's CPL would be a "
        "general protection fault), takes the ring-0 stack from the TSS because the privilege "
        "changes, and pushes ss, rsp, rflags, cs and rip there."
    ),
    "call_gate": (
        "A far call names a descriptor, not an address: the gate in the GDT holds the entry's "
        "address, and its DPL says who may use it. The stack comes from the TSS; ss, rsp, cs and "
        "rip are pushed. The flags are not: the kernel saves them itself, and interrupts stay on."
    ),
}


def entry(tape: Tape) -> list[Step]:
    """The way in."""
    for event in tape.events:
        if event.name == "hardware" and event.data["name"] == "entry" and event.data.get("before"):
            return [seen(event.data["details"]), *kernel_entry(tape)]
    return [host(tape)]


def seen(told: dict[str, Any]) -> Step:
    """A machine that shows its hardware."""
    kind, before, after = told["kind"], told.get("before") or {}, told.get("after") or {}
    name = NAMES.get(kind, kind)
    if kind == "int":
        name = f"INT {told['vector']:#x}"
    blocks = film.text(MODELS.get(kind, ""))
    rows: list[list[str]] = []
    marks: list[int] = []
    for register in REGISTERS:
        if register in before and register in after:
            if before[register] != after[register]:
                marks.append(len(rows))
            rows.append(
                [register, value(register, before[register]), value(register, after[register])]
            )
    blocks += film.table(["register", "before", "after"], rows, marks)
    reads = [
        [w, f"{a:#x}" if a else "(register)", f"{v:#x}"] for w, a, v in told.get("reads") or ()
    ]
    blocks += film.table(["loaded from", "at", "value"], reads)
    writes = [[f"{each[0]:#x}", f"{each[1]:#x}"] for each in told.get("writes") or ()]
    if writes:
        blocks += film.table(["pushed at", "value"], writes)
    else:
        blocks += film.text("Nothing was written to memory.")
    blocks += film.text(smap(after))
    title = f"{name}: CPL {before.get('cpl', 3)} → {after.get('cpl', 0)}"
    return Step(3, "entry", title, blocks, dict(told))


def value(register: str, number: int) -> str:
    if register != "rflags":
        return f"{number:#x}"
    names = [name for bit, name in FLAGS if number >> bit & 1]
    return f"{number:#x} {' '.join(names)}"


def smap(after: dict[str, int]) -> str:
    if "rflags" not in after:
        return ""
    if after["rflags"] & AC:
        return (
            "AC is still set, as the program had it: until the entry code has executed CLAC, "
            "SMAP does not protect it."
        )
    return (
        "AC is clear, so SMAP is in force: ring 0 itself cannot read or write the program's pages "
        "now, except between STAC and CLAC in the copy routines (chapter 6)."
    )


def kernel_entry(tape: Tape) -> list[Step]:
    """What the ring-0 stub did then: it is code, so only its effect is told."""
    registers = tape.trap["registers"]
    known = [n for n in ("rsp", "rip", "cs", "eflags", "orig_rax") if n in registers]
    rows = [[name, f"{registers[name]:#x}"] for name in known]
    if (stack := registers.get("kernel_stack")) is not None:
        rows.append(["kernel stack", f"{stack:#x} (where pt_regs begin)"])
    told = (
        "The entry code does SWAPGS (gs now points to the CPU's own data), switches to the "
        "thread's kernel stack and pushes all registers there, in the layout that Linux calls "
        "pt_regs. Then it lets interrupts in again (STI) and hands over to the kernel."
    )
    blocks = film.text(told) + film.table(["saved in pt_regs", "value"], rows)
    return [Step(3, "stub", "The entry code saves the program's registers", blocks,
                 {"pt_regs": registers})]  # fmt: skip


# --- the native machine ---------------------------------------------------------------------------
WAYS = {
    "notification": (
        "The host's kernel took the call, ran this thread's seccomp filter, found that it asks for "
        "a user notification, put the thread to sleep and handed number, arguments and program "
        "counter to ring3."
    ),
    "sigsys": (
        "The host's kernel took the call and ran this thread's seccomp filter, which answers calls "
        "of this kind with the signal SIGSYS: its handler, ring3's shim in the program's memory, "
        "saved all registers in a signal frame and rang ring3's doorbell (itself a notified call)."
    ),
}


def host(tape: Tape) -> Step:
    """A real CPU under a host kernel: what is seen, and what is not."""
    how = tape.trap["how"]
    registers = tape.trap["registers"]
    _, instruction = trap_address(tape)
    rows = [[name, f"{registers[name]:#x}"] for name in ("rip", "rsp") if name in registers]
    shows = ["the call's number and its six argument registers", "where the program stands"]
    if how == "sigsys":
        shows.append("all of its registers, from the signal frame")
    hides = [
        "the change of privilege (CPL 3 to 0) and the kernel's stack",
        "what the CPU loads and saves (MSRs, rcx, r11, flags)",
        "page tables, SMAP, interrupts",
    ]
    told = "This ran on the real CPU: " + WAYS.get(
        how, "The host's kernel took the call and told ring3 of it."
    )
    blocks = film.text(told)
    blocks += film.table(["register", "value"], rows)
    blocks += film.table(
        ["the host shows", "the host hides"],
        [[shows[i] if i < len(shows) else "", hides[i] if i < len(hides) else ""]
         for i in range(max(len(shows), len(hides)))],
    )  # fmt: skip
    blocks += film.text(
        "What it hides happened all the same. --machine emulated runs the same program on a CPU "
        "whose every step can be shown."
    )
    title = f"{instruction or 'The call'}: the host's kernel is entered"
    data = {"how": how, "shows": shows, "hides": hides}
    return Step(3, "host", title, blocks, data)
