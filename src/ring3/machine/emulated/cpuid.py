"""What CPUID says: a plain processor of level x86-64-v2, the same on every host.

It shows what works on the engine and nothing else: no AVX (the engine computes VEX.128 wrongly and
refuses YMM), no RDRAND and RDSEED (they would bring the host's entropy into the run), no
hypervisor leaf. Numbers: SDM Vol. 2A, CPUID; cache sizes keep glibc's tuning at ordinary values.
"""

from __future__ import annotations

from ring3.abi.hints import Final

VENDOR: Final = "GenuineIntel"
BRAND: Final = "ring3 emulated x86-64 processor"
FAMILY, MODEL, STEPPING = 6, 0x2C, 2
"""Westmere's: the last x86-64-v2 generation, known to every libc."""
XSAVE_SIZE: Final = 576
"""Legacy area and header: x87 and SSE state (XCR0 = 3)."""
CPU_KHZ: Final = 2_000_000

_1_EDX: Final = (
    "fpu", "", "de", "pse", "tsc", "msr", "pae", "", "cx8", "", "", "sep", "", "pge", "", "cmov",
    "pat", "pse36", "", "clflush", "", "", "", "mmx", "fxsr", "sse", "sse2",
)  # fmt: skip
_1_ECX: Final = (
    "pni", "pclmulqdq", "", "", "", "", "", "", "", "ssse3", "", "", "", "cx16", "", "", "", "",
    "", "sse4_1", "sse4_2", "", "movbe", "popcnt", "", "aes", "xsave", "osxsave",
)  # fmt: skip
_7_EBX: Final = ("fsgsbase", "", "", "", "", "", "", "smep") + ("",) * 12 + ("smap",)
_EXT_EDX: Final = ("",) * 11 + (
    "syscall", "", "", "", "", "", "", "", "", "nx", "", "", "", "", "", "", "rdtscp", "", "lm",
)  # fmt: skip
_EXT_ECX: Final = ("lahf_lm",)


def _bits(names: tuple[str, ...]) -> int:
    return sum(1 << bit for bit, name in enumerate(names) if name)


FEATURES_1_EDX: Final = _bits(_1_EDX)
FEATURES_1_ECX: Final = _bits(_1_ECX)
FEATURES_7_EBX: Final = _bits(_7_EBX)
FEATURES_EXT_EDX: Final = _bits(_EXT_EDX)
FEATURES_EXT_ECX: Final = _bits(_EXT_ECX)
HWCAP: Final = FEATURES_1_EDX
"""AT_HWCAP: CPUID.1:EDX."""
FLAGS: Final = " ".join(
    name for names in (_1_EDX, _EXT_EDX, _1_ECX, _EXT_ECX, _7_EBX) for name in names if name
)
"""The flags line of /proc/cpuinfo."""

_MAX_BASIC: Final = 0x16
_MAX_EXTENDED: Final = 0x80000008


def _text(text: str, size: int) -> list[int]:
    padded = text.encode().ljust(size, b"\0")
    return [int.from_bytes(padded[at : at + 4], "little") for at in range(0, size, 4)]


_VENDOR: Final = _text(VENDOR, 12)
_BRAND: Final = _text(BRAND, 48)
_NOTHING: Final = (0, 0, 0, 0)


def _cache(subleaf: int) -> tuple[int, int, int, int]:
    """Deterministic cache parameters: (type, level, ways, sets)."""
    caches = ((1, 1, 8, 64), (2, 1, 8, 64), (3, 2, 8, 512), (3, 3, 16, 8192))
    if subleaf >= len(caches):
        return _NOTHING
    kind, level, ways, sets = caches[subleaf]
    return kind | level << 5 | 1 << 8, (ways - 1) << 22 | 63, sets - 1, 0


def cpuid(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
    """(EAX, EBX, ECX, EDX) for *leaf* and *subleaf*."""
    if leaf == 0:
        return _MAX_BASIC, _VENDOR[0], _VENDOR[2], _VENDOR[1]
    if leaf == 1:
        signature = STEPPING | (MODEL & 15) << 4 | FAMILY << 8 | (MODEL >> 4) << 16
        return signature, 8 << 8 | 1 << 16, FEATURES_1_ECX, FEATURES_1_EDX
    if leaf == 2:
        return 0x00FEFF01, 0, 0, 0  # 0xFF: see leaf 4
    if leaf == 4:
        return _cache(subleaf)
    if leaf == 7 and subleaf == 0:
        return 0, FEATURES_7_EBX, 0, 0
    if leaf == 0xD:
        if subleaf == 0:
            return 3, XSAVE_SIZE, XSAVE_SIZE, 0
        return _NOTHING
    if leaf == 0x16:
        return CPU_KHZ // 1000, CPU_KHZ // 1000, 100, 0
    return _extended(leaf)


def _extended(leaf: int) -> tuple[int, int, int, int]:
    if leaf == 0x80000000:
        return _MAX_EXTENDED, 0, 0, 0
    if leaf == 0x80000001:
        return 0, 0, FEATURES_EXT_ECX, FEATURES_EXT_EDX
    if 0x80000002 <= leaf <= 0x80000004:
        at = (leaf - 0x80000002) * 4
        return _BRAND[at], _BRAND[at + 1], _BRAND[at + 2], _BRAND[at + 3]
    if leaf == 0x80000006:
        return 0, 0, 256 << 16 | 6 << 12 | 64, 0
    if leaf == 0x80000008:
        return 48 << 8 | 40, 0, 0, 0
    return _NOTHING
