"""Chapter 8: the result, the way back, and what the C library makes of it."""

from __future__ import annotations

from ring3.abi.errno import NAMES, RESTART_TEXTS, strerror
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain import film
from ring3.explain.copies import copies
from ring3.explain.entry import REGISTERS, value
from ring3.explain.film import Step
from ring3.syscalls.table import RESULT

if TYPE_CHECKING:
    from ring3.explain.tape import Tape

MAX_ERRNO = 4095
ENDINGS = {
    "execve": "The program that called is gone, and so is its stack: the new program starts at its "
    "entry point, with all registers but the stack pointer 0.",
    "execveat": "The program that called is gone: the new one starts at its entry point.",
    "rt_sigreturn": "All registers, rax too, come from the frame that the signal's delivery left "
    "on the stack: the program goes on where the signal had interrupted it.",
    "sigreturn": "All registers come from the frame on the stack that the signal's delivery left.",
}
"""Calls that do not come back to their caller with a result."""
WORD = (1 << 64) - 1
RETURNS = {
    "sysret": "SYSRET loads rip from rcx and the flags from r11, and drops to CPL 3: no memory is "
    "touched. It can be used because nothing changed the registers but rax, rcx and r11.",
    "sysexit": "SYSEXIT takes rip from edx and the stack pointer from ecx: those two registers "
    "cannot come back unchanged, which is why the vDSO had put them on the stack.",
    "iret": "IRET pops rip, cs, rflags, rsp and ss from the kernel stack: the slow way, and the "
    "one that can restore every register.",
    "retf": "A far return pops rip, cs, rsp and ss; the flags were restored before by POPF.",
}


def back(tape: Tape) -> list[Step]:
    return [*copies(tape, 8), *untouched(tape), *signals(tape), *returned(tape), result(tape)]


def untouched(tape: Tape) -> list[Step]:
    """A buffer was filled, and not by a copy of the kernel's."""
    if tape.call is None or not tape.result or tape.result < 0 or tape.named("store"):
        return []
    filled = [row for row in tape.rows if row["direction"] == "out"]
    names = [r["name"] for r in filled if tape.call.sizes.get(r["name"]) == RESULT]
    if not names:
        return []
    told = (
        f"{names[0]} was filled, and no copy routine ran: whoever had the data put it there "
        "itself. A device does so by DMA into page frames that were pinned when the call began; "
        "what is mapped at the address meanwhile no longer matters."
    )
    return [
        Step(8, "direct", "Nothing is copied to user memory", film.text(told), {"names": names})
    ]


def signals(tape: Tape) -> list[Step]:
    from ring3.trace.signals import signal_name

    found = []
    for event in tape.named("signal"):
        signo = event.data["signo"]
        name = signal_name(signo)
        found.append(Step(8, "signal", f"{name} is delivered on the way out", film.text(
            "Signals are delivered when a thread returns to user mode: the registers are changed so"
            " that it returns into the signal's handler, or its action is taken."),
            {"signo": signo, "name": name}))  # fmt: skip
    return found


def returned(tape: Tape) -> list[Step]:
    """The return instruction, where the machine shows it."""
    for event in reversed(tape.events):
        if event.name == "hardware" and event.data["name"] == "return" and event.data.get("after"):
            if event.data["details"]["after"].get("cpl") != 3:
                continue
            return [way_out(event.data["details"])]
    if tape.machine == "native" and tape.result is not None:
        told = (
            "The host's kernel puts the result into rax and returns to the instruction behind the "
            "trap, by SYSRET or IRET: which of them, and the registers around it, it does not show."
        )
        if tape.trap["how"] == "sigsys":
            told = (
                "The result goes into the signal frame's rax, and the shim's sigreturn has the "
                "host's kernel load all registers from there."
            )
        return [Step(8, "return", "Back to the program", film.text(told), {})]
    return []


def way_out(told: dict[str, Any]) -> Step:
    before, after = told.get("before") or {}, told.get("after") or {}
    kind = told["kind"]
    rows: list[list[str]] = []
    marks: list[int] = []
    for register in ("rax", *REGISTERS):
        if register in before and register in after:
            if before[register] != after[register]:
                marks.append(len(rows))
            rows.append(
                [register, value(register, before[register]), value(register, after[register])]
            )
    blocks = film.text(RETURNS.get(kind, ""))
    blocks += film.table(["register", "before", "after"], rows, marks)
    reads = [
        [w, f"{a:#x}" if a else "(register)", f"{v:#x}"] for w, a, v in told.get("reads") or ()
    ]
    blocks += film.table(["loaded", "from", "value"], reads)
    title = f"{kind.upper()}: CPL {before.get('cpl', 0)} → {after.get('cpl', 3)}"
    return Step(8, "return", title, blocks, dict(told))


def result(tape: Tape) -> Step:
    register = "rax" if tape.abi == "x86_64" else "eax"
    value_ = tape.result
    if value_ is None:
        told = f"{tape.name} does not return to where it was called: there is nobody to return to."
        if tape.name in ("execve", "execveat"):
            told = "The program that called is gone; the new one starts at its entry point."
        return Step(8, "result", "No return", film.text(told, tape.line), {"result": None})
    mask = WORD if tape.abi == "x86_64" else 0xFFFFFFFF
    raw = value_ & mask
    data: dict[str, Any] = {"result": value_, "register": raw, "reason": tape.reason}
    if value_ in tuple(-n for n in RESTART_TEXTS):
        name = NAMES.get(-value_, str(-value_))
        data.update(errno=name)
        told = (
            f"{name} ({RESTART_TEXTS[-value_]}): a code between kernel and kernel, which no "
            "program sees. On the way out it becomes EINTR, or the call is set up to run again."
        )
        return Step(
            8, "result", f"{register} = {value_} ({name})", film.text(told, tape.line), data
        )
    if tape.name in ENDINGS and value_ >= 0:
        data.update(libc=None)
        return Step(
            8, "result", "Nobody sees a result", film.text(ENDINGS[tape.name], tape.line), data
        )
    if -MAX_ERRNO <= value_ < 0:
        name, said = NAMES.get(-value_, str(-value_)), strerror(-value_)
        data.update(errno=name, libc=-1)
        reason = f"The kernel's own reason: {tape.reason}." if tape.reason else ""
        told = (
            f"{register} holds {raw:#x}, that is {value_}. Between -4095 and -1 it is an error: "
            f'the C library\'s wrapper negates it into errno ({name}, "{said}") and returns -1 '
            "to the program."
        )
        title = f"{register} = {value_}: errno becomes {name}"
        return Step(8, "result", title, film.text(told, reason, tape.line), data)
    data.update(libc=value_)
    told = (
        f"{register} holds {raw:#x}. It does not lie between -4095 and -1, so it is no error: the "
        "wrapper returns it as it is, and errno stays as it was."
    )
    return Step(8, "result", f"{register} = {value_}: the wrapper returns it", film.text(
        told, tape.line), data)  # fmt: skip
