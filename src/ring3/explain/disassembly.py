"""Instructions around the trap. Needs capstone; without it the bytes are shown."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain import film

if TYPE_CHECKING:
    from ring3.explain.elf import Symbols
    from ring3.explain.tape import Tape

BEFORE, AFTER = 8, 5
"""Instructions shown on each side."""
USER32_CS = 0x23
NEEDS_CAPSTONE = "Disassembly needs capstone: pip install 'ring3[explain]'."
ENTRIES = {
    b"\x0f\x05": "SYSCALL",
    b"\x0f\x34": "SYSENTER",
    b"\xcd\x80": "INT 0x80",
}
"""Two-byte instructions that enter the kernel."""


def trap_address(tape: Tape) -> tuple[int, str]:
    """(address of the instruction that trapped, its name), (0, "") where nobody can tell."""
    rip, at = tape.trap["registers"].get("rip", 0), tape.trap["code_at"]
    code: bytes = tape.trap["code"]
    places = [rip - 2]
    for event in tape.named("hardware"):
        if event.data["name"] == "entry" and event.data.get("before") is True:
            before = event.data["details"].get("before") or {}
            places = [before.get("rip", 0), before.get("rip", 0) - 2, *places]
            break
    for place in places:
        found = code[place - at : place - at + 2] if place >= at else b""
        if found in ENTRIES:
            return place, ENTRIES[found]
    for length in (10, 8, 7, 6, 5, 4, 3, 2):  # a far call, direct (9A) or through memory (FF /3)
        found = code[rip - at - length : rip - at]
        plain = found[1:] if found[:1] in (b"\x48", b"\x66") else found
        far = len(plain) > 1 and plain[0] == 0xFF and plain[1] >> 3 & 7 == 3
        if len(found) == length and (far or (plain[:1] == b"\x9a" and length == 7)):
            return rip - length, "CALL through a gate"
    return 0, ""


def instructions(tape: Tape, symbols: Symbols) -> tuple[list[dict[str, Any]], str]:
    """(instructions around the trap, why they are only bytes)."""
    trap, _ = trap_address(tape)
    at, code = tape.trap["code_at"], tape.trap["code"]
    target = trap or tape.trap["registers"].get("rip", 0)
    if not code or not target:
        return [], "the machine does not tell where the caller is"
    symbol = symbols.symbol(target)
    start = symbols.start(target)
    try:
        import capstone
    except ImportError:
        return only_bytes(tape, target), NEEDS_CAPSTONE
    mode = capstone.CS_MODE_32 if is_32bit(tape) else capstone.CS_MODE_64
    engine = capstone.Cs(capstone.CS_ARCH_X86, mode)
    if not at <= start <= target:
        start = synchronised(engine, code, at, target)
    found = [
        fact(i.address, bytes(i.bytes), i.mnemonic, i.op_str, target)
        for i in engine.disasm(code[start - at :], start)
    ]
    here = next((n for n, each in enumerate(found) if each["trap"]), None)
    if here is None:
        return found[:AFTER], ""
    chosen = found[max(0, here - BEFORE) : here + 1 + AFTER]
    if symbol is not None and symbol.size:
        chosen = [i for i in chosen if i["address"] < symbol.address + symbol.size]
    return chosen, ""


def only_bytes(tape: Tape, target: int) -> list[dict[str, Any]]:
    """The trap and eight bytes on each side of it, for want of a disassembler."""
    at, code = tape.trap["code_at"], tape.trap["code"]
    size = max(2, tape.trap["registers"].get("rip", 0) - target)
    size = size if size < 16 else 2
    name = trap_address(tape)[1].lower()
    return [
        fact(start, code[start - at : end - at], text, "", target)
        for start, end, text in (
            (max(at, target - 8), target, ""),
            (target, target + size, name),
            (target + size, target + size + 8, ""),
        )
        if end > start
    ]


def is_32bit(tape: Tape) -> bool:
    """Whether the caller's code is 32-bit: by its code segment, where that is known."""
    cs = tape.trap["registers"].get("cs")
    return tape.abi == "i386" if cs is None else cs == USER32_CS


def synchronised(engine: Any, code: bytes, at: int, target: int) -> int:
    """An address before *target* from which decoding arrives exactly there. Instructions have no
    marks at their beginnings, so this is a guess: the farthest that fits, 48 bytes at most."""
    for back in range(min(48, target - at), 0, -1):
        end = target - back
        for i in engine.disasm(code[target - back - at : target - at], target - back):
            end = i.address + i.size
        if end == target:
            return target - back
    return target


def fact(address: int, raw: bytes, mnemonic: str, operands: str, target: int) -> dict[str, Any]:
    text = f"{mnemonic} {operands}".strip() or "(bytes)"
    return {"address": address, "bytes": raw.hex(" "), "text": text, "trap": address == target}


def block(found: list[dict[str, Any]], title: str, note: str) -> list[film.Block]:
    lines = [
        film.line(
            f"{i['address']:#x}", f"{i['bytes'][:23]:<23} {i['text']}",
            "now" if i["trap"] else "", note if i["trap"] else "",
        )
        for i in found
    ]  # fmt: skip
    return film.listing("asm", title, lines)
