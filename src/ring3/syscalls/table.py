"""The table of system calls: one declaration per call, bound at its first trap.

``@syscall`` enters a handler under its name in the table of every ABI that has such a call. What
the handler's annotations say drives binding here, and decoding in the tracer, the policy learner
and the recorder.
"""

from __future__ import annotations

import importlib

from ring3.abi.hints import TYPE_CHECKING, Any, Final, overload
from ring3.abi.types import I386, X86_64, Abi, Ptr, Record, RecordCodec, Scalar
from ring3.syscalls.families import family_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.machine.base import Result
    from ring3.task.task import Task

    Handler = Callable[..., Result]
    Binder = Callable[[Task, Sequence[int]], Result]

RESULT: Final = "return"
"""As a buffer's size: the number that the call returned."""


class Param:
    """One argument: its name, pointer class (None for a scalar) and scalar kind or codec."""

    __slots__ = ("codec", "name", "pointer")

    def __init__(self, name: str, pointer: type[Ptr[Any]] | None, codec: Any) -> None:
        self.name = name
        self.pointer = pointer
        self.codec = codec


class Call:
    """A declared system call."""

    __slots__ = ("_params", "fn", "name", "partial", "sizes")

    def __init__(self, fn: Handler, name: str, partial: str, sizes: dict[str, str]) -> None:
        self.fn = fn
        self.name = name
        self.partial = partial
        """What the call lacks, or "" when it does all that Linux's does."""
        self.sizes = sizes
        """Buffer argument -> the argument that tells its length (or RESULT)."""
        self._params: list[Param] | None = None

    @property
    def params(self) -> list[Param]:
        if self._params is None:
            self._params = read_annotations(self.fn)
        return self._params

    def bind(self, abi: Abi) -> Binder:
        """Compile ``invoke(task, registers)`` for *abi*: a getpid costs one call, not a loop."""
        env: dict[str, Any] = {"fn": self.fn}
        parts, reg = [], 0
        for i, param in enumerate(self.params):
            if param.pointer is not None:
                env[f"P{i}"], env[f"C{i}"] = param.pointer, param.codec
                word = f"r[{reg}]" if abi.word == 64 else f"r[{reg}] & 0xffffffff"
                parts.append(f"P{i}(t.memory, {word}, C{i})")
                reg += 1
                continue
            scalar: Scalar = param.codec
            wide = scalar.regs == "pair32" and abi.word == 32
            if wide or (scalar.regs == "pair" and abi.word == 32):
                both = f"(r[{reg}] & 0xffffffff | (r[{reg + 1}] & 0xffffffff) << 32)"
                parts.append(f"(({both}) ^ (1 << 63)) - (1 << 63)")
            else:
                parts.append(scalar.convert(f"r[{reg}]", abi))
            reg += 2 if wide or scalar.regs == "pair" else 1
        source = f"def invoke(t, r): return fn(t, {', '.join(parts)})"
        exec(compile(source, f"<binder of {self.name} on {abi.name}>", "exec"), env)
        return env["invoke"]  # type: ignore[no-any-return]


class Alias(Call):
    """A second name with another signature is a call of its own; this one has the same."""


def read_annotations(fn: Handler) -> list[Param]:
    """Evaluate a handler's annotations. Done at the first trap: all of them would cost 50 ms."""
    code = fn.__code__
    names = code.co_varnames[1 : code.co_argcount]
    scope = fn.__globals__
    params = []
    for name in names:
        text = fn.__annotations__[name]
        hint = eval(text, scope) if isinstance(text, str) else text
        params.append(Param(name, *split(hint)))
    return params


RECORDS: dict[type[Record], RecordCodec[Any]] = {}


def split(hint: Any) -> tuple[type[Ptr[Any]] | None, Any]:
    """(pointer class or None, scalar kind or codec) of one evaluated annotation."""
    origin = getattr(hint, "__origin__", None)
    if isinstance(origin, type) and issubclass(origin, Ptr):
        inner = hint.__args__[0]
        if isinstance(inner, type) and issubclass(inner, Record):
            if (codec := RECORDS.get(inner)) is None:
                codec = RECORDS[inner] = RecordCodec(inner)
            return origin, codec
        return origin, inner.__metadata__[0]
    return None, hint.__metadata__[0]


CALLS: dict[str, Call] = {}
"""Every declared call by its (x86-64 or, failing that, i386) name."""


@overload
def syscall(fn: Handler, /) -> Handler: ...
@overload
def syscall(*, partial: str = "", name: str = "", **sizes: str) -> Callable[[Handler], Handler]: ...
def syscall(
    fn: Handler | None = None, /, *, partial: str = "", name: str = "", **sizes: str
) -> Any:
    """Declare a system call. *partial* says what it lacks; *sizes* maps buffers to lengths;
    *name* is the call's name where it differs from the function's."""

    def enter(handler: Handler) -> Handler:
        called = name or handler.__name__
        if called in CALLS:
            raise ValueError(f"system call {called} is declared twice")
        if called not in numbers(X86_64) and called not in numbers(I386):
            raise ValueError(f"no ABI has a system call {called}")
        CALLS[called] = Call(handler, called, partial, sizes)
        return handler

    return enter(fn) if fn is not None else enter


def numbers(abi: Abi) -> dict[str, int]:
    """name -> number of every call that *abi* has."""
    module = importlib.import_module(f"ring3.abi.syscalls_{abi.name}")
    return module.NUMBERS  # type: ignore[no-any-return]


def declared(name: str) -> Call | None:
    """The call *name*, importing the family it is declared in; None if nothing serves it."""
    if (call := CALLS.get(name)) is None and (family := family_of(name)):
        importlib.import_module(f"ring3.syscalls.{family}")
        call = CALLS.get(name)
    return call


class Dispatch:
    """The calls of one ABI by number, bound one by one as they are first trapped."""

    __slots__ = ("_told", "abi", "binders", "names", "unimplemented")

    def __init__(self, abi: Abi, unimplemented: Callable[[Task, int, str], int]) -> None:
        self.abi = abi
        self.unimplemented = unimplemented
        """Called with the task, the number and the name ("" if no ABI has it)."""
        known = numbers(abi)
        self.names = {nr: name for name, nr in known.items()}
        self._told: dict[int, tuple[str, Call | None]] = {}
        self.binders: list[Binder] = [self._unbound(nr) for nr in range(max(known.values()) + 1)]

    def _unbound(self, nr: int) -> Binder:
        def first(t: Task, registers: Sequence[int]) -> Result:
            name = self.names.get(nr, "")
            call = declared(name)
            if call is None:
                return self.unimplemented(t, nr, name)
            binder = self.binders[nr] = call.bind(self.abi)
            return binder(t, registers)

        return first

    def told(self, nr: int) -> tuple[str, Call | None]:
        """What observers are told of call *nr*: its name ("": no ABI has it), its declaration."""
        found = self._told.get(nr)
        if found is None:
            name = self.names.get(nr, "")
            found = name, declared(name)
            if name:  # of other numbers there are too many to keep
                self._told[nr] = found
        return found

    def invoke(self, nr: int) -> Binder:
        """The binder of call *nr*, whatever the number."""
        if 0 <= nr < len(self.binders):
            return self.binders[nr]
        return lambda t, registers: self.unimplemented(t, nr, "")
