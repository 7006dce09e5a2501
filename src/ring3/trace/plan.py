"""One printer per call and ABI, compiled at the call's first appearance.

What prints a call is, in this order: functions of its own (``kinds.enters`` and ``exits``), a
shape, its declaration (``syscalls.table.Call``), the kernel's own signature (calls that nothing
serves yet), six hexadecimal words.

A shape is a list of kinds, one per argument, with the kind of result after ``=``::

    openat      dirfd path open ~creat_mode:2 = fd
    read        fd >bytes:ret lu

``>`` prints at the exit, as a bare pointer if the call failed; ``>>`` prints at the exit in any
case; ``~`` may print nothing and brings its own separator. Everything behind an argument that
prints at the exit prints at the exit too.
"""

from __future__ import annotations

from ring3.abi.errno import NAMES, RESTART_TEXTS, strerror
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.trace.kinds import (
    ENTERS,
    EXITS,
    FACTORIES,
    KINDS,
    PLAIN_DESCRIPTORS,
    PURE,
    SHAPES,
    WIDE,
)
from ring3.trace.text import MOST_KEPT, addr, hexed, mode, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.trace.frame import Decoder, Frame, Style

    Part = tuple[str, bool, bool, str]
    """Source text, whether it prints at the exit, whether it brings its separator, its label."""
    Printer = Callable[[Frame, Sequence[int]], str]
    Result = Callable[[Frame, int], str]

MAX_ERRNO = 4095
INLINE = {
    64: {
        "d": "(({0} & 0xffffffff) ^ 0x80000000) - 0x80000000",
        "u": "{0} & 0xffffffff",
        "lu": "{0}",
        "llu": "{0}",
    },
    32: {
        "d": "(({0} & 0xffffffff) ^ 0x80000000) - 0x80000000",
        "u": "{0} & 0xffffffff",
        "lu": "{0} & 0xffffffff",
    },
}
"""Kinds that need no call of a function, as source text."""


class Plan:
    """How one call of one ABI prints."""

    __slots__ = ("abbrev", "enter", "exit", "name", "nr", "result", "traced", "word")

    def __init__(
        self, name: str, nr: int, enter: Printer, exit_: Printer | None, result: Result
    ) -> None:
        self.name = name
        self.nr = nr
        self.enter = enter
        """Prints the name, the parenthesis and what is known at entry."""
        self.exit = exit_
        """Prints the remaining arguments, or None when there are none."""
        self.result = result
        self.traced = True
        self.abbrev = True
        self.word = 64


def decoder(word: str) -> Decoder:
    """The function that a word of a shape names."""
    name, _, parameter = word.partition(":")
    return FACTORIES[name](parameter) if parameter else KINDS[name]


def is_pure(word: str, style: Style) -> bool:
    kind = word.partition(":")[0]
    return kind in PURE or (kind in PLAIN_DESCRIPTORS and not style.fds)


def keeping(decode: Decoder, made: dict[int, str]) -> Decoder:
    """*decode*, which keeps what it makes in *made*."""

    def show(x: Frame, value: int) -> str:
        if len(made) >= MOST_KEPT:
            made.clear()
        text = made[value] = decode(x, value)
        return text

    return show


def make(name: str, nr: int, call: Any, abi: str, style: Style) -> Plan:
    """The plan of call *nr*. *call* is its declaration, or None."""
    bits = 64 if abi == "x86_64" else 32
    key = canonical(name, abi)
    if key in ENTERS:
        inner = ENTERS[key]
        head = f"{name}("
        shape = SHAPES.get(key, "")
        return Plan(name, nr, lambda x, a: head + inner(x, a), EXITS.get(key), result_kind(shape))
    known = SHAPES.get(key)
    if known is None:
        from ring3.trace.declared import shape_of

        known = shape_of(name, call, abi)
    if known is None:
        return Plan(name or f"syscall_{nr:#x}", nr, raw(name or f"syscall_{nr:#x}"), None, decimal)
    shape = known
    enter, exit_ = compile_shape(
        name,
        shape.partition("=")[0].split(),
        bits,
        style,
        argument_names(name, abi) if style.names else (),
    )
    own = EXITS.get(key)
    if own is not None:
        exit_ = own if exit_ is None else chain(exit_, own)
    return Plan(name, nr, enter, exit_, result_kind(shape))


def chain(one: Printer, two: Printer) -> Printer:
    return lambda x, a: one(x, a) + two(x, a)


def canonical(name: str, abi: str) -> str:
    """The name under which a call's printer is kept: i386's variants share x86-64's."""
    if abi != "i386" or name in SHAPES or name in ENTERS:
        return name
    from ring3.trace.compat import SAME

    return SAME.get(name, name)


def raw(name: str, count: int = 6) -> Printer:
    """*count* words in hexadecimal."""
    head = f"{name}("

    def enter(x: Frame, a: Sequence[int]) -> str:
        return head + ", ".join(hexed(v) for v in a[:count])

    return enter


def make_raw(name: str, nr: int, abi: str) -> Plan:
    """The plan of a call that -e raw= names: everything in hexadecimal, the result too."""
    from ring3.trace.declared import count_args

    if not name:
        name = f"syscall_{nr:#x}"
        return Plan(name, nr, raw(name), None, hexadecimal)
    return Plan(name, nr, raw(name, count_args(name, abi)), None, hexadecimal)


def argument_names(name: str, abi: str) -> tuple[str, ...]:
    """What Linux calls the arguments of a call, by register."""
    from ring3.abi.signatures import NUMBERS, signature

    if name not in NUMBERS[abi]:
        return ()
    return tuple(argument for argument, _ in signature(name, abi).args)


def compile_shape(
    name: str, words: list[str], bits: int, style: Style, names: Sequence[str] = ()
) -> tuple[Printer, Printer | None]:
    """(entry printer, exit printer or None) of a shape."""
    env: dict[str, Any] = {"addr": addr, "signed": signed}
    parts: list[Part] = []
    reg, late = 0, False
    for i, word in enumerate(words):
        bare = word.lstrip("~>")
        marks = word[: len(word) - len(bare)]
        if bare == "skip":  # the high half of an offset that fits into one register
            reg += bits == 64
            continue
        late = late or ">" in marks
        register = f"a[{reg}]"
        label = f"{names[reg]}=" if reg < len(names) and "~" not in marks else ""
        if bare in WIDE and bits == 32:
            register = f"(a[{reg}] & 0xffffffff | (a[{reg + 1}] & 0xffffffff) << 32)"
            reg += 1
        elif bits == 32:
            register = f"(a[{reg}] & 0xffffffff)"
        reg += 1
        inline = INLINE[bits].get(bare)
        if inline is not None:
            parts.append((inline.format(register), late, False, label))
            continue
        if is_pure(bare, style):
            made: dict[int, str] = {}
            env[f"made{i}"], env[f"k{i}"] = made.get, keeping(decoder(bare), made)
            source = f"made{i}({register}) or k{i}(x, {register})"
        else:
            env[f"k{i}"] = decoder(bare)
            source = f"k{i}(x, {register})"
        if ">" in marks and ">>" not in marks:
            source = f"addr({register}) if x.failed else {source}"
        parts.append((source, late, "~" in marks, label))
    early = [p for p in parts if not p[1]]
    rest = [p for p in parts if p[1]]
    source = f"def enter(x, a): return f'{name}({joined(early, bool(rest) and not rest[0][2])}'\n"
    if rest:
        source += f"def exit(x, a): return f'{joined(rest, False)}'\n"
    exec(compile(source, f"<printer of {name}>", "exec"), env)
    return env["enter"], env.get("exit")


def joined(parts: list[Part], more: bool) -> str:
    """The inside of an f-string that prints *parts*."""
    out = ""
    for i, (source, _, own, label) in enumerate(parts):
        out += ("" if own or i == 0 else ", ") + label + "{" + source + "}"
    return out + (", " if more and parts else "")


# --- results ------------------------------------------------------------------------------------
def result_kind(shape: str) -> Result:
    return RESULTS[shape.partition("=")[2].strip()]


def decimal(x: Frame, result: int) -> str:
    return str(result)


def hexadecimal(x: Frame, result: int) -> str:
    return hexed(result & ((1 << x.word) - 1))


def umask(x: Frame, result: int) -> str:
    return mode(result)


def unsigned(x: Frame, result: int) -> str:
    return str(result & ((1 << x.word) - 1))


def descriptor(x: Frame, result: int) -> str:
    return x.fd(result) if x.style.fds else str(result)


def process(x: Frame, result: int) -> str:
    return KINDS["pid"](x, result)


def named(kind: str) -> Result:
    """A number with its name behind it: ``0 (SCHED_OTHER)``."""

    def show(x: Frame, result: int) -> str:
        if (result or kind != "sig") and (kind != "adj_state" or x.saved is not None):
            x.aux = KINDS[kind](x, result)
        return hexed(result) if kind == "personality" else str(result)

    return show


RESULTS: dict[str, Result] = {
    "sig": named("sig"),
    "policy": named("policy"),
    "personality": named("personality"),
    "ioprio": named("ioprio"),
    "adj": named("adj_state"),
    "": decimal,
    "d": decimal,
    "x": hexadecimal,
    "o": umask,
    "u": unsigned,
    "fd": descriptor,
    "pid": process,
}

ERRORS: dict[int, str] = {}


def error_text(code: int) -> str:
    """``-1 ENOENT (No such file or directory)`` or ``? ERESTARTSYS (...)`` for errno *code*."""
    text = ERRORS.get(code)
    if text is None:
        text = ERRORS[code] = make_error(code)
    return text


def make_error(code: int) -> str:
    name = NAMES.get(code)
    if name is None:
        return f"-1 (errno {code})"
    if code in RESTART_TEXTS:
        return f"? {name} ({RESTART_TEXTS[code]})"
    return f"-1 {name} ({strerror(code)})"
