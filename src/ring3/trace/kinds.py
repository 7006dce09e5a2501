"""Kinds of arguments: the words that shapes are made of.

A kind is a function of the frame and the argument's register that gives text. A shape (see
``plan.py``) names kinds; families add their own with ``@kind``, ``@kind_of`` for those that take
a parameter, and ``@call`` for calls that need to see everything.
"""

from __future__ import annotations

from ring3.abi.fcntl import AT_FDCWD
from ring3.abi.hints import TYPE_CHECKING
from ring3.trace.text import addr, dev, hexed, mode, signed
from ring3.vfs.path import path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.trace.frame import Decoder, Frame

KINDS: dict[str, Decoder] = {}
FACTORIES: dict[str, Callable[[str], Decoder]] = {}
WIDE = {"lld", "llu"}
"""Kinds that take two registers on i386."""
PURE = {"dev", "x", "access", "file_mode", "memfd_flags", "open"} | {
    "flags", "lflags", "enum", "uenum",
}  # fmt: skip
"""Kinds whose text depends on the register alone (and on what is the same for all calls of a
trace and an ABI): it is made once per value."""
PLAIN_DESCRIPTORS = {"fd", "dirfd"}
"""Kinds that are pure where -y does not ask for paths."""
SHAPES: dict[str, str] = {}
"""Call -> how its arguments and result print, where its declaration does not say it."""
ENTERS: dict[str, Callable[[Frame, Sequence[int]], str]] = {}
"""Call -> function that prints what is known at its entry, for calls that no shape describes."""
EXITS: dict[str, Callable[[Frame, Sequence[int]], str]] = {}
"""Call -> function that prints the rest of its arguments at its exit."""


def kind(fn: Decoder) -> Decoder:
    """Enter a decoder under its function's name (a trailing ``_`` keeps keywords legal)."""
    KINDS[fn.__name__.rstrip("_")] = fn
    return fn


def kind_of(fn: Callable[[str], Decoder]) -> Callable[[str], Decoder]:
    """Enter a maker of decoders: ``name:parameter`` in a shape."""
    FACTORIES[fn.__name__.rstrip("_")] = fn
    return fn


def enters(*calls: str) -> Callable[[Callable[[Frame, Sequence[int]], str]], object]:
    """Enter the entry printer of *calls*."""

    def add(fn: Callable[[Frame, Sequence[int]], str]) -> object:
        ENTERS.update(dict.fromkeys(calls, fn))
        return fn

    return add


def exits(*calls: str) -> Callable[[Callable[[Frame, Sequence[int]], str]], object]:
    """Enter the exit printer of *calls*."""

    def add(fn: Callable[[Frame, Sequence[int]], str]) -> object:
        EXITS.update(dict.fromkeys(calls, fn))
        return fn

    return add


def shapes(table: str) -> None:
    """Enter shapes: one call per line, its names (several share a shape) before the colon."""
    for line in table.strip().splitlines():
        called, _, shape = line.partition(":")
        for name in called.split():
            SHAPES[name] = shape.strip()


# --- plain values -----------------------------------------------------------------------------
@kind
def d(x: Frame, v: int) -> str:
    """int"""
    return str(signed(v))


@kind
def u(x: Frame, v: int) -> str:
    """unsigned int"""
    return str(v & 0xFFFFFFFF)


@kind
def ld(x: Frame, v: int) -> str:
    """long"""
    return str(signed(v, x.word))


@kind
def lu(x: Frame, v: int) -> str:
    """unsigned long, size_t"""
    return str(v & ((1 << x.word) - 1))


@kind
def lld(x: Frame, v: int) -> str:
    """loff_t"""
    return str(signed(v, 64))


@kind
def llu(x: Frame, v: int) -> str:
    """unsigned 64 bits"""
    return str(v)


@kind
def x(x: Frame, v: int) -> str:
    """unsigned int in hexadecimal"""
    return hexed(v & 0xFFFFFFFF)


@kind
def lx(x: Frame, v: int) -> str:
    """unsigned long in hexadecimal"""
    return hexed(v & ((1 << x.word) - 1))


@kind
def addr_(x: Frame, v: int) -> str:
    """a pointer that is not followed"""
    return addr(v & ((1 << x.word) - 1))


@kind
def mode_(x: Frame, v: int) -> str:
    """permission bits"""
    return mode(v & 0xFFFF)


@kind
def id_(x: Frame, v: int) -> str:
    """uid or gid: -1 means "as it is" """
    low = v & 0xFFFFFFFF
    return "-1" if low == 0xFFFFFFFF else str(low)


@kind
def dev_(x: Frame, v: int) -> str:
    """device number in a register"""
    return dev(v & 0xFFFFFFFF)


@kind
def pid(x: Frame, v: int) -> str:
    number = signed(v)
    return str(number) + comm(x, number) if x.style.pids else str(number)


def comm(x: Frame, number: int) -> str:
    """``<name>`` of a process id (-Y), or nothing."""
    task = x.task.world.tasks.get(abs(number))
    return f"<{x.quote(task.comm)[1:-1]}>" if task is not None else ""


# --- descriptors and strings --------------------------------------------------------------------
@kind
def fd(x: Frame, v: int) -> str:
    return x.fd(v)


@kind
def dirfd(x: Frame, v: int) -> str:
    number = signed(v)
    if number != AT_FDCWD:
        return x.fd(v)
    name = ("AT_FDCWD", str(AT_FDCWD), f"{AT_FDCWD} /* AT_FDCWD */")[x.style.consts]
    return f"{name}<{x.quote(cwd(x))[1:-1]}>" if x.style.fds else name


def cwd(x: Frame) -> bytes:
    """The working directory as getcwd(2) would tell it."""
    fs = x.task.fs
    return path_of(fs.cwd, fs.root)


@kind
def path(x: Frame, v: int) -> str:
    return x.path(v)


@kind
def str_(x: Frame, v: int) -> str:
    return x.text(v)


# --- constants ----------------------------------------------------------------------------------
@kind_of
def flags(which: str) -> Decoder:
    """An int made of flags."""

    def show(x: Frame, v: int) -> str:
        return x.flags(which, v & 0xFFFFFFFF)

    return show


@kind_of
def lflags(which: str) -> Decoder:
    """An unsigned long made of flags."""

    def show(x: Frame, v: int) -> str:
        return x.flags(which, v & ((1 << x.word) - 1))

    return show


@kind_of
def enum(which: str) -> Decoder:
    """An int that names one thing."""

    def show(x: Frame, v: int) -> str:
        return x.enum(which, signed(v))

    return show


@kind_of
def uenum(which: str) -> Decoder:
    """An unsigned int that names one thing."""

    def show(x: Frame, v: int) -> str:
        return x.enum(which, v & 0xFFFFFFFF)

    return show


# --- buffers ------------------------------------------------------------------------------------
@kind_of
def bytes_(size: str) -> Decoder:
    """A buffer whose length is argument number *size*, or the result ("ret")."""
    if size == "ret":

        def show(x: Frame, v: int) -> str:
            return x.buffer(v, x.result)

    else:
        at = int(size)

        def show(x: Frame, v: int) -> str:
            return x.buffer(v, x.args[at] & ((1 << x.word) - 1))

    return show


@kind_of
def int_(form: str) -> Decoder:
    """``[7]``: a number in memory; *form* is its size and "d", "u" or "x"."""
    size, shown = int(form[0]), form[1]

    def show(x: Frame, v: int) -> str:
        number = x.number(v, size, shown == "d")
        if number is None:
            return addr(v)
        return f"[{hexed(number) if shown == 'x' else number}]"

    return show
