"""The comparison of the ways into the kernel, as steps of a film: rows are ways."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain import film
from ring3.explain.film import Step

if TYPE_CHECKING:
    from ring3.explain.compare import Take

NUMBERS = {
    "x86_64": ("rax", "rdi rsi rdx r10 r8 r9"),
    "i386": ("eax", "ebx ecx edx esi edi ebp"),
}
IF = 1 << 9


def steps(name: str, takes: list[Take]) -> list[Step]:
    """All steps: what each program executes, the tables, then each way by itself."""
    filmed = [take for take in takes if take.film is not None]
    made = [programs(name, takes), conventions(filmed), loads(filmed), saves(filmed), cost(filmed)]
    for take in filmed:
        assert take.film is not None
        for step in take.film.of(3, "entry"):
            made.append(Step(3, "entry", step_title(take, step), step.blocks, step.data))
    made += [stub(take) for take in filmed]
    made.append(returns(filmed))
    for take in filmed:
        assert take.film is not None
        for step in take.film.of(8, "return"):
            made.append(Step(8, "return", step_title(take, step), step.blocks, step.data))
    return sorted(made, key=lambda step: step.chapter)


def step_title(take: Take, step: Step) -> str:
    return f"{step.title} ({take.way.bits}-bit code)"


def programs(name: str, takes: list[Take]) -> Step:
    rows = []
    blocks = film.text(
        f"Six tiny programs call {name} in a loop, each by its own way into the kernel. The "
        "handler that serves them is the same."
    )
    for take in takes:
        rows.append([take.way.title, take.way.abi, take.why or "arrived"])
    blocks += film.table(["way in", "numbers of", "result"], rows)
    for take in takes:
        if take.film is not None:
            found = [b for s in take.film.of(1, "code") for b in s.blocks if b["block"] == "code"]
            for block in found:
                blocks.append({**block, "title": take.way.title})
    data = {"ways": [{"way": t.way.key, "title": t.way.title, "why": t.why} for t in takes]}
    return Step(1, "programs", f"{len(takes)} ways to call {name}", blocks, data)


def conventions(takes: list[Take]) -> Step:
    rows = []
    for take in takes:
        number, arguments = NUMBERS[take.way.abi]
        result = take.film.header["result"] if take.film is not None else ""
        nr = take.film.header["nr"] if take.film is not None else ""
        rows.append([take.way.title, f"{number} = {nr}", arguments, result])
    blocks = film.table(["way in", "number", "arguments", "result"], rows)
    blocks += film.text(
        "INT 0x80 means the i386 table whoever executes it: 64-bit code gets other numbers and "
        "32-bit registers by it. The call gate has no tradition to keep; here it goes by the mode "
        "of the program. For SYSENTER the program's ebp points to its stack, where the sixth "
        "argument is."
    )
    return Step(2, "conventions", "Numbers and registers", blocks, {"rows": rows})


def loads(takes: list[Take]) -> Step:
    rows = []
    for take in takes:
        entry = take.step(3, "entry")
        reads = [r[0] for r in entry.get("reads") or ()]
        after = entry.get("after") or {}
        before = entry.get("before") or {}
        kept = "the program's" if after.get("rsp") == before.get("rsp") else "the kernel's"
        on = "on" if after.get("rflags", 0) & IF else "off"
        rows.append([take.way.title, ", ".join(reads), kept, on])
    blocks = film.table(["way in", "loads from", "stack then", "interrupts then"], rows)
    blocks += film.text(
        "MSRs are registers of the CPU. IDT, GDT and TSS are tables in memory: that is what makes "
        "gates slower, and what let them have a different entry and stack for each use."
    )
    return Step(3, "loads", "What the CPU loads", blocks, {"rows": rows})


def saves(takes: list[Take]) -> Step:
    rows = []
    for take in takes:
        entry = take.step(3, "entry")
        before, after = entry.get("before") or {}, entry.get("after") or {}
        kept = []
        if take.way.name == "SYSCALL" and after.get("rcx") == before.get("rip", 0) + 2:
            kept = ["rip in rcx", "rflags in r11"]
        elif take.way.name == "SYSENTER":
            kept = ["none: the vDSO knows them"]
        writes = entry.get("writes") or ()
        where = f"{len(writes)} words on the kernel stack" if writes else "nothing in memory"
        rows.append([take.way.title, where, ", ".join(kept) or "–"])
    blocks = film.table(["way in", "pushes", "keeps in registers"], rows)
    return Step(3, "saves", "What the CPU saves", blocks, {"rows": rows})


def cost(takes: list[Take]) -> Step:
    """What a call costs by each way."""
    rows, data = [], []
    for take in takes:
        entry = take.step(3, "entry")
        cpu = len(descriptors(entry)) + len(entry.get("writes") or ())
        counted = take.stub
        one: dict[str, Any] = {
            "way": take.way.key, "cpu_memory": cpu, "us": round(take.us, 2), "blocks": take.blocks,
            "instructions": counted.instructions if counted else None,
            "memory": counted.memory if counted else None,
        }  # fmt: skip
        data.append(one)
        rows.append([
            take.way.title, shown(one["instructions"]), cpu, shown(one["memory"]), take.blocks,
            f"{take.us:.1f}",
        ])  # fmt: skip
    quick = min(takes, key=lambda t: t.us or 1e9)
    blocks = film.table(
        ["way in", "instructions", "memory: CPU", "memory: code", "blocks", "µs, median"],
        rows, [takes.index(quick)],
    )  # fmt: skip
    blocks += film.text(
        "Instructions of ring 0 from the entry to the hypercall and from there to the return, and "
        "their memory accesses, counted in the kernel's text; what the CPU itself reads of "
        "descriptors and pushes, from the film. Blocks and time are of a whole call, from one "
        "arrival at the gate to the next, with the handler and the program's loop; the time is "
        "this host's, and most of it is the handler's and the emulation's."
    )
    return Step(3, "cost", "What it costs", blocks, {"rows": data})


def descriptors(entry: dict[str, Any]) -> list[Any]:
    """Reads of tables in memory: an address is told of those."""
    return [r for r in entry.get("reads") or () if r[1]]


def shown(number: int | None) -> str:
    return "–" if number is None else str(number)


def returns(takes: list[Take]) -> Step:
    rows = []
    for take in takes:
        told = take.step(8, "return")
        rows.append([take.way.title, str(told.get("kind", "?")).upper()])
    blocks = film.table(["way in", "way out"], rows)
    return Step(8, "returns", "The ways back", blocks, {"rows": rows})


def stub(take: Take) -> Step:
    counted = take.stub
    lines = counted.lines if counted is not None else []
    blocks = film.listing(
        "asm", "entry and return code",
        [film.line(f"{a:#x}", f"{raw[:23]:<23} {text}", "ran") for a, raw, text in lines],
    )  # fmt: skip
    data = {"way": take.way.key, "code": [list(each) for each in lines]}
    return Step(3, "stub", f"{take.way.title}: the ring-0 code", blocks, data)
