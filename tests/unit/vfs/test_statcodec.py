"""The hand-packed structs of the stat family agree with the generated layouts."""

from __future__ import annotations

import os
import struct

import pytest

from ring3.abi.errno import EOVERFLOW
from ring3.abi.layout_data import LAYOUTS
from ring3.syscalls import statcodec as codec
from ring3.vfs.inode import Stat
from ring3.vfs.mount import StatFs

NS = 1_000_000_000
SAMPLE = Stat(
    dev=0x801, ino=77, mode=0o100644, nlink=3, uid=1000, gid=1001, rdev=0x103, size=123456,
    blocks=248, atime_ns=11 * NS + 1, mtime_ns=12 * NS + 2, ctime_ns=13 * NS + 3, blksize=4096,
)  # fmt: skip
FIELDS = {
    "st_dev": 0x801, "st_ino": 77, "st_mode": 0o100644, "st_nlink": 3, "st_uid": 1000,
    "st_gid": 1001, "st_rdev": 0x103, "st_size": 123456, "st_blksize": 4096, "st_blocks": 248,
    "st_atime": 11, "st_atime_nsec": 1, "st_mtime": 12, "st_mtime_nsec": 2, "st_ctime": 13,
    "st_ctime_nsec": 3, "__st_ino": 77,
}  # fmt: skip
FS = StatFs(0x1021994, 4096, 1000, 500, 400, 90, 80, 255, 7)
FS_FIELDS = {
    "f_type": 0x1021994, "f_bsize": 4096, "f_blocks": 1000, "f_bfree": 500, "f_bavail": 400,
    "f_files": 90, "f_ffree": 80, "f_namelen": 255, "f_frsize": 4096, "f_flags": 0,
}  # fmt: skip


def unpack(name: str, word: int, data: bytes) -> dict[str, int]:
    """The single-valued fields of struct *name* in *data*."""
    size, _, fields = LAYOUTS[name][word]
    assert len(data) == size
    found = {}
    for field, offset, fmt in fields:
        if len(fmt) == 1:
            found[field] = struct.unpack_from("<" + fmt, data, offset)[0]
    return found


@pytest.mark.parametrize(
    ("name", "word", "made", "wanted"),
    [
        ("stat", 64, codec.StatCodec().encode(SAMPLE, 64), FIELDS),
        ("stat", 32, codec.StatCodec().encode(SAMPLE, 32), FIELDS),
        ("stat64", 32, codec.Stat64Codec().encode(SAMPLE, 32), FIELDS),
        ("__old_kernel_stat", 32, codec.OldStatCodec().encode(SAMPLE, 32), FIELDS),
        ("statfs", 64, codec.StatFsCodec().encode(FS, 64), FS_FIELDS),
        ("statfs", 32, codec.StatFsCodec().encode(FS, 32), FS_FIELDS),
        ("statfs64", 64, codec.StatFs64Codec().encode(FS, 64), FS_FIELDS),
        ("statfs64", 32, codec.StatFs64Codec().encode(FS, 32), FS_FIELDS),
    ],
)
def test_layout(name: str, word: int, made: bytes, wanted: dict[str, int]) -> None:
    found = unpack(name, word, made)
    shared = {field: found[field] for field in wanted if field in found}
    assert shared == {field: wanted[field] for field in shared}
    assert len(shared) >= 10


def test_a_real_file_round_trips() -> None:
    host = os.stat(__file__)
    st = Stat(
        host.st_dev, host.st_ino, host.st_mode, host.st_nlink, host.st_uid, host.st_gid,
        host.st_rdev, host.st_size, host.st_blocks, host.st_atime_ns, host.st_mtime_ns,
        host.st_ctime_ns, host.st_blksize,
    )  # fmt: skip
    found = unpack("stat", 64, codec.pack_stat(st))
    assert found["st_mtime"] * NS + found["st_mtime_nsec"] == host.st_mtime_ns
    assert (found["st_ino"], found["st_size"]) == (host.st_ino, host.st_size)


def test_times_before_1970() -> None:
    st = Stat(1, 1, 0o100644, mtime_ns=-1)
    found = unpack("stat", 64, codec.pack_stat(st))
    assert (found["st_mtime"], found["st_mtime_nsec"]) == (-1, NS - 1)


def test_what_does_not_fit_in_32_bits() -> None:
    for changed in ({"size": 1 << 31}, {"ino": 1 << 32}, {"dev": 1 << 32}):
        st = Stat(1, 1, 0o100644)
        for field, value in changed.items():
            setattr(st, field, value)
        with pytest.raises(EOVERFLOW):
            codec.pack_stat32(st)
    assert codec.pack_stat64(Stat(1, 1 << 40, 0o100644, size=1 << 40))
