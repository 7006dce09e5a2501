"""Argument types: one declaration of a call drives its binding, copying and printing.

A handler's annotations are read once, at the call's first trap. A scalar annotation is an
``Annotated[int, Scalar(...)]``; a pointer is ``In[T]``, ``Out[T]`` or ``InOut[T]`` where *T* is
``Annotated[python type, codec]``. Handlers receive scalars by value and pointers as typed handles
that they load and store explicitly, because the order in which errors are found is part of the
ABI.
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EFAULT, EINVAL, ENAMETOOLONG
from ring3.abi.hints import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Generic,
    Protocol,
    Self,
    TypeVar,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")

PAGE_SIZE = 4096
PATH_MAX = 4096
IOV_MAX = 1024
MAX_RW_COUNT = 0x7FFFF000
"""Linux moves at most this many bytes in one call (read(2), NOTES)."""


class Memory(Protocol):
    """A guest's memory as the kernel may touch it. Every method raises EFAULT and nothing else."""

    word: int
    """Bits of a pointer: 64 or 32."""

    def load(self, addr: int, size: int) -> bytes:
        """Exactly *size* bytes from *addr*."""

    def store(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        """All of *data* at *addr*."""

    def load_string(self, addr: int, limit: int) -> bytes | None:
        """The bytes before the first NUL, or None when the first *limit* bytes hold none."""


class Abi:
    """One of the two system call interfaces."""

    __slots__ = ("name", "word")

    def __init__(self, name: str, word: int) -> None:
        self.name = name
        self.word = word


X86_64 = Abi("x86_64", 64)
I386 = Abi("i386", 32)


class Scalar:
    """A value in a register. *bits* 0 means the ABI's word; *flags* names a decoding set."""

    __slots__ = ("bits", "flags", "kind", "regs", "signed")

    def __init__(
        self,
        bits: int,
        signed: bool = True,
        flags: str = "",
        kind: str = "int",
        regs: str = "one",
    ) -> None:
        self.bits = bits
        self.signed = signed
        self.flags = flags
        self.kind = kind
        self.regs = regs
        """"one"; "pair32": two registers on i386; "pair": two registers on both ABIs."""

    def convert(self, source: str, abi: Abi) -> str:
        """Python source text that turns the register text *source* into the value."""
        bits = self.bits or abi.word
        if bits == 64 and not self.signed:
            return source
        mask, sign = (1 << bits) - 1, 1 << (bits - 1)
        cut = f"{source} & {mask}"
        return f"(({cut}) ^ {sign}) - {sign}" if self.signed else cut


class Codec(Protocol[T]):
    """How a *T* lies in user memory."""

    def size(self, word: int) -> int: ...
    def decode(self, data: bytes, word: int) -> T: ...
    def encode(self, value: T, word: int) -> bytes: ...


class Packed(Generic[T]):
    """One ``struct`` format per word size; a single field is a plain value, several a tuple."""

    __slots__ = ("flags", "formats", "kind", "single")

    def __init__(self, fmt64: str, fmt32: str = "", flags: str = "", kind: str = "int") -> None:
        self.formats = {
            64: struct.Struct("<" + fmt64),
            32: struct.Struct("<" + (fmt32 or fmt64)),
        }
        self.single = len(self.formats[64].unpack(bytes(self.formats[64].size))) == 1
        self.flags = flags
        self.kind = kind

    def size(self, word: int) -> int:
        return self.formats[word].size

    def decode(self, data: bytes, word: int) -> T:
        values: Any = self.formats[word].unpack(data)
        found: T = values[0] if self.single else values
        return found

    def encode(self, value: T, word: int) -> bytes:
        fields: Any = (value,) if self.single else value
        try:
            return self.formats[word].pack(*fields)
        except struct.error as bad:
            raise OverflowError(f"{value!r} does not fit: {bad}") from None


class CStr:
    """A NUL-terminated string of at most *limit* bytes, the NUL included."""

    __slots__ = ("kind", "limit", "too_long")

    def __init__(self, limit: int, kind: str = "string") -> None:
        self.limit = limit
        self.kind = kind

    def size(self, word: int) -> int:
        return self.limit


class Blob:
    """Bytes whose number another argument or the result tells."""

    __slots__ = ("kind",)

    def __init__(self, kind: str = "bytes") -> None:
        self.kind = kind

    def size(self, word: int) -> int:
        return 1

    def decode(self, data: bytes, word: int) -> bytes:
        return data

    def encode(self, value: bytes, word: int) -> bytes:
        return value


class Record:
    """A C struct as an object with one int (or bytes) attribute per field.

    A subclass names the struct (``LAYOUT``, a key of ``abi.layouts``) and, per attribute, the
    path of its C field (``FIELDS``); nested fields are written ``it_value.tv_sec``.
    """

    LAYOUT: ClassVar[str] = ""
    FIELDS: ClassVar[dict[str, str]] = {}
    __slots__ = ()

    def __init__(self, *values: Any, **named: Any) -> None:
        for name, value in zip(self.FIELDS, values, strict=False):
            setattr(self, name, value)
        for name in list(self.FIELDS)[len(values) :]:
            setattr(self, name, named.pop(name, 0))
        if named:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(named)}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, n) == getattr(other, n) for n in self.FIELDS)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        inside = ", ".join(f"{n}={getattr(self, n, '?')!r}" for n in self.FIELDS)
        return f"{type(self).__name__}({inside})"


class RecordCodec(Generic[T]):
    """Codec of a :class:`Record` subclass, compiled for a word size at its first use."""

    __slots__ = ("cls", "forms", "kind")

    def __init__(self, cls: type[T]) -> None:
        self.cls = cls
        self.forms: dict[int, tuple[struct.Struct, tuple[str, ...]]] = {}
        self.kind = "record"

    def form(self, word: int) -> tuple[struct.Struct, tuple[str, ...]]:
        """(packer without gaps, attribute names in memory order) for *word*."""
        if (made := self.forms.get(word)) is None:
            made = self.forms[word] = compile_record(self.cls, word)  # type: ignore[arg-type]
        return made

    def size(self, word: int) -> int:
        return self.form(word)[0].size

    def decode(self, data: bytes, word: int) -> T:
        packer, names = self.form(word)
        record = object.__new__(self.cls)
        for name, value in zip(names, packer.unpack(data), strict=True):
            setattr(record, name, value)
        return record

    def encode(self, value: T, word: int) -> bytes:
        packer, names = self.form(word)
        try:
            return packer.pack(*[getattr(value, n) for n in names])
        except struct.error as bad:
            raise OverflowError(f"{value!r} does not fit: {bad}") from None


def flatten(
    name: str, word: int, base: int = 0, prefix: str = ""
) -> Iterable[tuple[str, int, str]]:
    """(dotted field path, offset in bytes, struct format) of every leaf of a C struct."""
    from ring3.abi.layout_data import LAYOUTS

    for field, offset, fmt in LAYOUTS[name][word][2]:
        path = prefix + field
        if not fmt.startswith("struct:"):
            yield path, base + offset, fmt
            continue
        inner, _, times = fmt.removeprefix("struct:").partition("*")
        if not times:
            yield from flatten(inner, word, base + offset, path + ".")
            continue
        step = LAYOUTS[inner][word][0]
        for i in range(int(times)):
            yield from flatten(inner, word, base + offset + i * step, f"{path}[{i}].")


def compile_record(cls: type[Record], word: int) -> tuple[struct.Struct, tuple[str, ...]]:
    from ring3.abi.layout_data import LAYOUTS

    wanted = {path: attr for attr, path in cls.FIELDS.items()}
    fmt, at, names = "<", 0, []
    for path, offset, code in sorted(flatten(cls.LAYOUT, word), key=lambda leaf: leaf[1]):
        if path not in wanted or offset < at:
            continue
        fmt += "x" * (offset - at) + code
        at = offset + struct.calcsize("<" + code)
        names.append(wanted.pop(path))
    if wanted:
        raise TypeError(f"struct {cls.LAYOUT} has no {', '.join(wanted)} at {word} bits")
    fmt += "x" * (LAYOUTS[cls.LAYOUT][word][0] - at)
    return struct.Struct(fmt), tuple(names)


class Ptr(Generic[T]):
    """A user pointer as the guest gave it: nothing about it is trusted."""

    __slots__ = ("addr", "codec", "mem")
    reads: ClassVar[bool] = False
    writes: ClassVar[bool] = False

    def __init__(self, mem: Memory, addr: int, codec: Any) -> None:
        self.mem = mem
        self.addr = addr
        self.codec = codec

    def __bool__(self) -> bool:
        return self.addr != 0

    def at(self, index: int) -> Self:
        """The pointer to element *index* of the array that starts here."""
        return type(self)(self.mem, self.addr + index * self.codec.size(self.mem.word), self.codec)


class In(Ptr[T]):
    """Read by the kernel."""

    __slots__ = ()
    reads = True

    def load(self) -> T:
        """The value here, or EFAULT. A path that is too long gives ENAMETOOLONG."""
        codec = self.codec
        if codec.__class__ is CStr:
            return load_cstr(self.mem, self.addr, codec.limit)  # type: ignore[return-value]
        word = self.mem.word
        return codec.decode(self.mem.load(self.addr, codec.size(word)), word)  # type: ignore[no-any-return]

    def load_array(self, count: int) -> list[T]:
        word = self.mem.word
        step = self.codec.size(word)
        data = self.mem.load(self.addr, step * count) if count else b""
        return [self.codec.decode(data[i : i + step], word) for i in range(0, step * count, step)]

    def load_bytes(self, size: int) -> bytes:
        """*size* raw bytes from here."""
        return self.mem.load(self.addr, size) if size else b""


class Out(Ptr[T]):
    """Written by the kernel."""

    __slots__ = ()
    writes = True

    def store(self, value: T) -> None:
        data = self.codec.encode(value, self.mem.word)
        if data:
            self.mem.store(self.addr, data)

    def store_array(self, values: Sequence[T]) -> None:
        word = self.mem.word
        if values:
            self.mem.store(self.addr, b"".join(self.codec.encode(v, word) for v in values))

    def store_bytes(self, data: bytes | bytearray | memoryview) -> None:
        if data:
            self.mem.store(self.addr, data)


class InOut(In[T], Out[T]):
    """Read, then written."""

    __slots__ = ()


def load_cstr(mem: Memory, addr: int, limit: int) -> bytes:
    text = mem.load_string(addr, limit)
    if text is None:
        raise ENAMETOOLONG
    return text


def load_strings(array: In[int], most: int) -> list[bytes]:
    """The strings of a NULL-terminated pointer array of at most *most* entries (execve's argv).

    A NULL *array* counts as empty, as Linux has it. Raises EFAULT, or EINVAL when there is no end
    within *most* entries (the caller turns that into E2BIG).
    """
    found: list[bytes] = []
    if not array:
        return found
    word = array.mem.word // 8
    at = array.addr
    while len(found) <= most:
        # Up to the end of the page: what lies behind may not be mapped.
        room = max(1, min(64, (PAGE_SIZE - at % PAGE_SIZE) // word))
        chunk = array.mem.load(at, room * word)
        for i in range(0, room * word, word):
            pointer = int.from_bytes(chunk[i : i + word], "little")
            if pointer == 0:
                return found
            text = array.mem.load_string(pointer, 32 * PAGE_SIZE)
            if text is None:
                raise EINVAL("string without end")
            found.append(text)
        at += room * word
    raise EINVAL("array without end")


def iovecs(vec: In[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """The (address, length) pairs of an iovec array, checked as Linux's import_iovec does.

    The total is cut to MAX_RW_COUNT. Raises EINVAL (more than IOV_MAX, negative length), EFAULT.
    """
    if not 0 <= count <= IOV_MAX:
        raise EINVAL("iovec count")
    out, room = [], MAX_RW_COUNT
    limit = 1 << (vec.mem.word - 1)
    for base, length in vec.load_array(count):
        if length >= limit:
            raise EINVAL("negative iovec length")
        out.append((base, min(length, room)))
        room -= out[-1][1]
    return out


def gather(mem: Memory, parts: Sequence[tuple[int, int]]) -> bytes:
    """The bytes an iovec array names. Raises EFAULT only if the first byte cannot be read."""
    out = bytearray()
    for base, length in parts:
        if not length:
            continue
        try:
            out += mem.load(base, length)
        except EFAULT:
            if not out:
                raise
            break
    return bytes(out)


def scatter(mem: Memory, parts: Sequence[tuple[int, int]], data: bytes) -> int:
    """Store *data* over an iovec array; return the bytes stored. EFAULT as for ``gather``."""
    done = 0
    for base, length in parts:
        chunk = data[done : done + length]
        if not chunk:
            continue
        try:
            mem.store(base, chunk)
        except EFAULT:
            if not done:
                raise
            break
        done += len(chunk)
    return done


# --- The vocabulary of declarations -----------------------------------------------------------
Int = Annotated[int, Scalar(32)]
UInt = Annotated[int, Scalar(32, signed=False)]
Long = Annotated[int, Scalar(0)]
ULong = Annotated[int, Scalar(0, signed=False)]
Size = Annotated[int, Scalar(0, signed=False, kind="size")]
Offset = Annotated[int, Scalar(64, regs="pair32")]
"""loff_t by value: two registers on i386."""
OffsetLow = Annotated[int, Scalar(0, regs="pair", kind="offset")]
"""preadv's pos_l, pos_h: two registers on both ABIs, the second ignored on x86-64."""
Addr = Annotated[int, Scalar(0, signed=False, kind="addr")]
Fd = Annotated[int, Scalar(32, kind="fd")]
DirFd = Annotated[int, Scalar(32, kind="dirfd")]
Pid = Annotated[int, Scalar(32, kind="pid")]
Uid = Annotated[int, Scalar(32, signed=False, kind="uid")]
Signal = Annotated[int, Scalar(32, flags="signal", kind="enum")]
Mode = Annotated[int, Scalar(16, signed=False, kind="mode")]
OpenFlags = Annotated[int, Scalar(32, flags="open", kind="flags")]
AtFlags = Annotated[int, Scalar(32, flags="at", kind="flags")]
ClockId = Annotated[int, Scalar(32, flags="clock", kind="enum")]
Dev = Annotated[int, Scalar(32, signed=False, kind="dev")]

Path = Annotated[bytes, CStr(PATH_MAX, kind="path")]
Bytes = Annotated[bytes, Blob()]
I32 = Annotated[int, Packed[int]("i")]
U32 = Annotated[int, Packed[int]("I")]
I64 = Annotated[int, Packed[int]("q")]
U64 = Annotated[int, Packed[int]("Q")]
LongWord = Annotated[int, Packed[int]("q", "i")]
Word = Annotated[int, Packed[int]("Q", "I")]
FdPair = Annotated["tuple[int, int]", Packed["tuple[int, int]"]("ii", kind="fds")]
SockLen = Annotated[int, Packed[int]("i")]
SigSet = Annotated[int, Packed[int]("Q", kind="sigset")]
Iovec = Annotated["tuple[int, int]", Packed["tuple[int, int]"]("QQ", "II", kind="iovec")]
Strings = Annotated[int, Packed[int]("Q", "I", kind="strings")]
"""Element of a NULL-terminated array of string pointers."""


class Timespec(Record):
    """Seconds and nanoseconds in two longs (i386: the 32-bit form of the old calls)."""

    LAYOUT = "timespec"
    FIELDS = {"sec": "tv_sec", "nsec": "tv_nsec"}
    __slots__ = ("nsec", "sec")
    sec: int
    nsec: int

    @classmethod
    def of(cls, ns: int) -> Timespec:
        return cls(ns // 1_000_000_000, ns % 1_000_000_000)

    def ns(self) -> int:
        """Nanoseconds in all; EINVAL for what Linux refuses (timespec64_valid)."""
        if self.sec < 0 or not 0 <= self.nsec < 1_000_000_000:
            raise EINVAL("timespec out of range")
        return self.sec * 1_000_000_000 + self.nsec


class Timeval(Record):
    """Seconds and microseconds in two longs."""

    LAYOUT = "timeval"
    FIELDS = {"sec": "tv_sec", "usec": "tv_usec"}
    __slots__ = ("sec", "usec")
    sec: int
    usec: int

    @classmethod
    def of(cls, ns: int) -> Timeval:
        return cls(ns // 1_000_000_000, ns % 1_000_000_000 // 1000)

    def ns(self) -> int:
        if self.sec < 0 or not 0 <= self.usec < 1_000_000:
            raise EINVAL("timeval out of range")
        return self.sec * 1_000_000_000 + self.usec * 1000
