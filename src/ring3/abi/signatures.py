"""Signatures of all system calls: what Linux itself declares, for tracing and documentation.

`signature("read", "x86_64").args` is `(("fd", "unsigned int"), ("buf", "char *"), ...)`: names and
C types as the kernel's entry point of that ABI has them. A 64-bit argument that i386 passes in two
registers appears as its two halves. Not needed to serve calls: import it only to show them.
"""

from __future__ import annotations

from ring3.abi.signature_data import CATEGORIES, CATEGORY, I386, X86_64
from ring3.abi.syscalls_i386 import NUMBERS as NUMBERS_I386
from ring3.abi.syscalls_x86_64 import NUMBERS as NUMBERS_X86_64

__all__ = ["ABIS", "CATEGORIES", "CATEGORY", "NUMBERS", "Signature", "signature"]

NUMBERS = {"x86_64": NUMBERS_X86_64, "i386": NUMBERS_I386}
ABIS: tuple[str, ...] = tuple(NUMBERS)
_ROWS = {"x86_64": X86_64, "i386": I386}


class Signature:
    """One system call of one ABI."""

    __slots__ = ("args", "category", "entry", "name", "number")

    def __init__(self, name: str, abi: str) -> None:
        self.name = name
        self.number = NUMBERS[abi][name]
        self.category = CATEGORY[name]
        self.entry, text = _ROWS[abi][name]
        """Entry point in the kernel; empty if Linux keeps only the number and answers ENOSYS."""
        self.args = tuple(split(each) for each in text.split(", ")) if text else ()
        """(name, C type) of each argument."""

    @property
    def prototype(self) -> str:
        """The call as C would declare it, without its result type."""
        inner = ", ".join(f"{kind}{'' if kind[-1] == '*' else ' '}{n}" for n, kind in self.args)
        return f"{self.name}({inner or 'void'})"

    def __repr__(self) -> str:
        return f"<{self.prototype} = {self.number}>"


def split(declaration: str) -> tuple[str, str]:
    """'const char *path' to ('path', 'const char *')."""
    star = declaration.rfind("*")
    if star >= 0 and " " not in declaration[star + 1 :]:
        return declaration[star + 1 :], declaration[: star + 1]
    kind, _, name = declaration.rpartition(" ")
    return name, kind


def signature(name: str, abi: str = "x86_64") -> Signature:
    """Return the signature of call *name*; LookupError if *abi* has no such call."""
    if name not in NUMBERS[abi]:
        raise LookupError(f"{abi} has no system call {name}")
    return Signature(name, abi)
