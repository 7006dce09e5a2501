"""How the stat family's structs lie in user memory, packed by hand: fstat is called all the time.

Layouts are those of ``abi.layouts`` (a unit test compares).
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EOVERFLOW
from ring3.abi.hints import Annotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ring3.vfs.inode import Stat
    from ring3.vfs.mount import StatFs

SECOND_NS = 1_000_000_000
OVERFLOW_UID = 65534
MAX32 = 0xFFFFFFFF
STAT_64 = struct.Struct("<QQQIII4xQqqqqQqQqQ24x")
STAT_32 = struct.Struct("<IIHHHHIIIIiIiIiI8x")
STAT64_32 = struct.Struct("<Q4xIIIIIQ4xqIQiIiIiIQ")
OLD_STAT = struct.Struct("<HHHHHHH2xIiii")
STATFS_64 = struct.Struct("<qqQQQQQQqqq32x")
STATFS_32 = struct.Struct("<IIIIIIIQIII16x")
STATFS64_32 = struct.Struct("<IIQQQQQQIII16x")


def short(value: int) -> int:
    """A uid or gid in 16 bits."""
    return value if value <= 0xFFFF else OVERFLOW_UID


def fit(value: int) -> int:
    """*value* in 32 bits. EOVERFLOW, as stat(2) has it for what does not fit."""
    if value > MAX32:
        raise EOVERFLOW("does not fit the 32-bit struct")
    return value


def pack_stat(st: Stat) -> bytes:
    """struct stat of x86-64."""
    atime, mtime, ctime = st.atime_ns, st.mtime_ns, st.ctime_ns
    return STAT_64.pack(
        st.dev, st.ino, st.nlink, st.mode, st.uid, st.gid, st.rdev, st.size, st.blksize, st.blocks,
        atime // SECOND_NS, atime % SECOND_NS, mtime // SECOND_NS, mtime % SECOND_NS,
        ctime // SECOND_NS, ctime % SECOND_NS,
    )  # fmt: skip


def pack_stat32(st: Stat) -> bytes:
    """struct stat of i386."""
    if st.size > 0x7FFFFFFF:
        raise EOVERFLOW("the size does not fit the 32-bit struct")
    atime, mtime, ctime = st.atime_ns, st.mtime_ns, st.ctime_ns
    return STAT_32.pack(
        fit(st.dev), fit(st.ino), st.mode, min(st.nlink, 0xFFFF), short(st.uid), short(st.gid),
        fit(st.rdev), st.size, st.blksize, fit(st.blocks), seconds(atime), atime % SECOND_NS,
        seconds(mtime), mtime % SECOND_NS, seconds(ctime), ctime % SECOND_NS,
    )  # fmt: skip


def pack_stat64(st: Stat) -> bytes:
    """struct stat64 of i386."""
    atime, mtime, ctime = st.atime_ns, st.mtime_ns, st.ctime_ns
    return STAT64_32.pack(
        st.dev, st.ino & MAX32, st.mode, st.nlink, st.uid, st.gid, st.rdev, st.size, st.blksize,
        st.blocks, seconds(atime), atime % SECOND_NS, seconds(mtime), mtime % SECOND_NS,
        seconds(ctime), ctime % SECOND_NS, st.ino,
    )  # fmt: skip


def pack_old_stat(st: Stat) -> bytes:
    """struct __old_kernel_stat, 16-bit device and inode numbers."""
    if st.size > 0x7FFFFFFF or st.ino > 0xFFFF or st.nlink > 0xFFFF:
        raise EOVERFLOW("does not fit the old struct")
    return OLD_STAT.pack(
        st.dev & 0xFFFF, st.ino, st.mode, st.nlink, short(st.uid), short(st.gid), st.rdev & 0xFFFF,
        st.size, seconds(st.atime_ns), seconds(st.mtime_ns), seconds(st.ctime_ns),
    )  # fmt: skip


def seconds(ns: int) -> int:
    """Whole seconds in 32 bits; they wrap, as Linux lets them."""
    return ((ns // SECOND_NS & MAX32) ^ 0x80000000) - 0x80000000


def pack_statfs(st: StatFs, word: int) -> bytes:
    if word == 64:
        return STATFS_64.pack(
            st.type, st.bsize, st.blocks, st.bfree, st.bavail, st.files, st.ffree,
            st.fsid, st.namelen, st.frsize, st.flags,
        )  # fmt: skip
    return STATFS_32.pack(
        st.type, st.bsize, fit(st.blocks), fit(st.bfree), fit(st.bavail), fit(st.files),
        fit(st.ffree), st.fsid, st.namelen, st.frsize, st.flags,
    )  # fmt: skip


def pack_statfs64(st: StatFs, word: int) -> bytes:
    if word == 64:
        return pack_statfs(st, 64)
    return STATFS64_32.pack(
        st.type, st.bsize, st.blocks, st.bfree, st.bavail, st.files, st.ffree,
        st.fsid, st.namelen, st.frsize, st.flags,
    )  # fmt: skip


class StatCodec:
    """struct stat of the caller's ABI."""

    kind = "stat"

    def size(self, word: int) -> int:
        return (STAT_64 if word == 64 else STAT_32).size

    def encode(self, st: Stat, word: int) -> bytes:
        return pack_stat(st) if word == 64 else pack_stat32(st)


class Stat64Codec:
    """struct stat64, which only i386 has."""

    kind = "stat64"

    def size(self, word: int) -> int:
        return STAT64_32.size

    def encode(self, st: Stat, word: int) -> bytes:
        return pack_stat64(st)


class OldStatCodec:
    kind = "oldstat"

    def size(self, word: int) -> int:
        return OLD_STAT.size

    def encode(self, st: Stat, word: int) -> bytes:
        return pack_old_stat(st)


class StatFsCodec:
    kind = "statfs"

    def size(self, word: int) -> int:
        return (STATFS_64 if word == 64 else STATFS_32).size

    def encode(self, st: StatFs, word: int) -> bytes:
        return pack_statfs(st, word)


class StatFs64Codec:
    kind = "statfs64"

    def size(self, word: int) -> int:
        return (STATFS_64 if word == 64 else STATFS64_32).size

    def encode(self, st: StatFs, word: int) -> bytes:
        return pack_statfs64(st, word)


StatBuf = Annotated["Stat", StatCodec()]
Stat64Buf = Annotated["Stat", Stat64Codec()]
OldStatBuf = Annotated["Stat", OldStatCodec()]
StatFsBuf = Annotated["StatFs", StatFsCodec()]
StatFs64Buf = Annotated["StatFs", StatFs64Codec()]
