"""Chapter 6 and part of 8: what the call copied from and to user memory, page by page."""

from __future__ import annotations

from ring3.abi.errno import EFAULT
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain import film
from ring3.explain.film import Step
from ring3.explain.judges import short
from ring3.explain.paging import walk_blocks, walk_facts
from ring3.explain.tapped import MOST_COPIES
from ring3.trace.text import quote

if TYPE_CHECKING:
    from ring3.explain.tape import Event, Tape

PAGE = 4096
USER_END = 0x7FFFFFFFF000
USER_END_32 = 0xFFFFE000
MOST_PAGES = 16
ROUTINES = {
    "load": "copy_from_user",
    "string": "copy_string_from_user, a page at a time",
    "store": "copy_to_user",
}
WINDOW = (
    ": ring-0 code that compares the address with the end of user space, does STAC (SMAP lets ring "
    "0 at the program's pages), moves the bytes through the page tables, and does CLAC."
)
MOST_HARDWARE = 48
"""Steps of the hardware that a copy's data keep."""
SHOWN_BYTES = 48
KINDS = {"load": "from", "string": "from", "store": "to"}


def copies(tape: Tape, chapter: int) -> list[Step]:
    """The steps of one direction, in order of time."""
    wanted = ("load", "string") if chapter == 6 else ("store",)
    found: list[Step] = []
    walks: list[Event] = []
    left_out = 0
    for event in tape.events:
        if event.name == "copying":
            walks = []
        elif event.name == "hardware":
            walks.append(event)
        elif event.name in wanted:
            known = bool(found) and event.data["fault"] and found[-1].data.get("fault")
            if known and found[-1].data["address"] == event.data["address"]:
                found.append(once_more(event, chapter))
            elif len(found) < MOST_COPIES:
                found.append(copy(tape, chapter, len(found) + 1, event, walks))
            else:
                left_out += 1
    if left_out:
        found.append(Step(chapter, "more", f"{left_out} copies more",
                          film.text("They are left out here."), {"count": left_out}))  # fmt: skip
    if not found and chapter == 6:
        found.append(nothing_read(tape))
    return found


def once_more(event: Event, chapter: int) -> Step:
    """The handler tries a bad address again, to find how much of it could be copied."""
    place = place_of(event.data["place"])
    told = f"Asked for again by {place['function']}, {place['file']}:{place['line']}: the same."
    address = event.data["address"]
    kind = "copy_out" if chapter == 8 else "copy_in"
    return Step(
        chapter, kind, f"{address:#x} once more: EFAULT", film.text(told),
        {"address": address, "size": event.data["size"], "fault": True, "place": place},
    )  # fmt: skip


def refused(tape: Tape) -> Step | None:
    """A pointer that was refused before any page was looked at."""
    if tape.result != -EFAULT.number or tape.named("load", "string", "store"):
        return None
    end = USER_END if tape.abi == "x86_64" else USER_END_32
    for row in tape.rows:
        if "*" in row["c_type"] and row["value"] >= end:
            page = page_fact(tape, row["value"], 0, False, {}, tape.trap["areas"])
            told = (
                f"{row['name']} is {row['value']:#x}. {why([page])} The check is one comparison; "
                "page tables are not asked, and nothing is copied. Were it left out, the copy "
                "would run in ring 0, which may read the kernel's pages: a program could have the "
                "kernel print its own secrets."
            )
            title = f"{row['name']} is no user pointer: EFAULT"
            return Step(6, "refused", title, film.text(told), {"argument": row["name"], **page})
    return None


def nothing_read(tape: Tape) -> Step:
    if (bad := refused(tape)) is not None:
        return bad
    if tape.unknown:
        told = "Nobody knows what the registers mean, so nothing is read from the program's memory."
        return Step(6, "none", "Nothing is read", film.text(told), {})
    pointers = [row["name"] for row in tape.rows if row["direction"].startswith("in")]
    told = f"{tape.name} read nothing from the program's memory"
    if pointers:
        told += f": it ended before it came to {', '.join(pointers)}."
    elif any("*" in row["c_type"] for row in tape.rows):
        told += ": its pointers only say where to write."
    else:
        told += ": its arguments are numbers, and they came in registers."
    return Step(6, "none", "Nothing is read", film.text(told), {})


def copy(tape: Tape, chapter: int, number: int, event: Event, hardware: list[Event]) -> Step:
    told = event.data
    address, size, data = told["address"], told["size"], told["data"]
    way = KINDS[event.name]
    walks = walk_facts(hardware, address, max(size, 1))
    write = event.name == "store"
    areas = told["areas"] or tape.trap["areas"]
    pages = [page_fact(tape, at, n, write, walks, areas) for at, n in pieces(address, size)]
    facts = {
        "direction": way, "address": address, "size": size, "fault": told["fault"],
        "data": None if data is None else data.hex(), "place": place_of(told["place"]),
        "pages": pages, "hardware": [fact_of(e) for e in hardware[:MOST_HARDWARE]],
    }  # fmt: skip
    where = f"{facts['place']['function']}, {facts['place']['file']}:{facts['place']['line']}"
    if told["fault"]:
        title = f"{address:#x} cannot be {'written' if way == 'to' else 'read'}: EFAULT"
        opening = f"{size} bytes {way} {address:#x}, asked for by {where}. {why(pages)}"
    else:
        title = f"{size} byte{'s' * (size != 1)} {way} {address:#x}"
        opening = f"Copy {number}, by {where}."
        if event.name == "string":
            opening = f"A string, as far as its NUL, by {where}."
    blocks = film.text(opening)
    if data:
        more = "" if len(data) <= SHOWN_BYTES and len(data) == size else "..."
        blocks += film.text(f"The bytes: {quote(data[:SHOWN_BYTES])}{more}")
    rows = [[f"{p['page']:#x}", p["bytes"], p["area"], p["told"]] for p in pages[:MOST_PAGES]]
    bad = [n for n, p in enumerate(pages[:MOST_PAGES]) if p["fault"]]
    blocks += film.table(["page", "bytes", "area", "access"], rows, bad)
    if len(pages) > MOST_PAGES:
        blocks += film.text(f"and {len(pages) - MOST_PAGES} pages more")
    if any(e.data["name"] == "copy" for e in hardware):
        blocks += film.text(ROUTINES[event.name] + WINDOW)
    blocks += walk_blocks(tape, hardware)
    return Step(chapter, f"copy_{'in' if way == 'from' else 'out'}", title, blocks, facts)


def pieces(address: int, size: int) -> list[tuple[int, int]]:
    """(address, bytes) per page; one page at least."""
    found: list[tuple[int, int]] = []
    left = max(size, 1)
    while left > 0 and len(found) < 4 * MOST_PAGES:
        part = min(left, PAGE - address % PAGE)
        found.append((address, part))
        address, left = address + part, left - part
    return found


def page_fact(
    tape: Tape,
    address: int,
    count: int,
    write: bool,
    walks: dict[int, Any],
    areas: list[dict[str, Any]],
) -> dict[str, Any]:
    """One page of a copy: what lies there and whether the access is allowed."""
    area = next((a for a in areas if a["start"] <= address < a["end"]), None)
    page = address & -PAGE
    fault, told = False, "allowed"
    if address >= USER_END:
        fault = True
        told = "kernel half" if address >= 0xFFFF800000000000 else "not canonical"
        if address == USER_END or tape.abi == "i386":
            told = "beyond user space"
    elif area is None:
        fault, told = True, "no area here"
    elif ("w" if write else "r") not in area["prot"]:
        fault, told = True, f"area is {area['prot']}"
    name = "–"
    if area is not None:
        name = f"{area['prot']} {area['name'] or '(anonymous)'}"
    return {"page": page, "bytes": count, "area": name, "told": told, "fault": fault,
            "walk": walks.get(page)}  # fmt: skip


def why(pages: list[dict[str, Any]]) -> str:
    """What is wrong with the first bad page."""
    bad = next((p for p in pages if p["fault"]), None)
    if bad is None:
        return "The machine refused it; by the areas it could have been allowed."
    reasons = {
        "no area here": "Nothing is mapped there.",
        "kernel half": "That address is the kernel's: a user pointer must lie below "
        f"{USER_END:#x}, and is refused without a look at what is there.",
        "not canonical": "Bits 63 to 47 of that address are not equal: no memory can be there.",
        "beyond user space": "User space ends below that address.",
    }
    return reasons.get(bad["told"], f"The {bad['told']}: the access is not allowed.")


def place_of(place: dict[str, Any]) -> dict[str, Any]:
    if not place:
        return {"function": "the machine", "file": "?", "line": 0}
    return {"function": place["function"], "file": short(place["file"]), "line": place["line"]}


def fact_of(event: Event) -> dict[str, Any]:
    return {"name": event.data["name"], "details": event.data["details"]}
