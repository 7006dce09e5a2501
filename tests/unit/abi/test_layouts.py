"""Struct layouts against the C compiler, at both word sizes, and the API that reads them."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest
from tools.abi import structs

from ring3.abi import layout_data
from ring3.abi.layouts import Layout, layout
from tests.unit.abi import compiler

# Structs newer than Linux 6.1 or that grew since: the host's headers may know less of these.
GROWING = set(
    "statx tcp_info epoll_params fanotify_response_info_header fanotify_response_info_audit_rule"
    " rseq rseq_slice_ctrl file_attr xattr_args io_sqring_offsets io_cqring_offsets io_uring_sqe"
    " io_uring_getevents_arg io_uring_buf_reg landlock_ruleset_attr landlock_net_port_attr"
    " ptrace_syscall_info statmount mnt_id_req mnt_ns_info cachestat cachestat_range pidfd_info"
    " ns_id_req perf_event_attr lsm_ctx page_region pm_scan_arg procmap_query tcphdr".split()
)
NEWER = re.compile(r"has no member|incomplete type|undefined type")
ROOM = re.compile(r"resv|reserved|spare|res1")
HEADERS = list(structs.HEADERS)
OWN = (compiler.TOOLS / "kernel_structs.h").read_text()
TAGS = {entry.partition("=")[0]: entry.partition("=")[2] for entry in structs.STRUCTS}
TYPEDEFS = re.compile(r"stack_t|Elf(32|64)_\w+")


def c_type(name: str) -> str:
    tag = TAGS.get(name) or name
    return tag if TYPEDEFS.fullmatch(tag) else f"struct {tag}"


def size_of(fmt: str, word: int) -> int:
    """Bytes that a field takes, by our own account."""
    if not fmt.startswith("struct:"):
        return struct.calcsize("<" + fmt)
    name, _, count = fmt.removeprefix("struct:").partition("*")
    return layout(name, word).size * int(count or 1)


def claims(word: int) -> list[tuple[str, str]]:
    """(struct, static assertion) for everything that the data says at one word size."""
    data: list[tuple[str, str]] = []
    for name, texts in layout_data.TEXT.items():
        if not texts[word == 32]:
            continue
        what, c = layout(name, word), c_type(name)
        data.append((name, f"sizeof({c}) == {what.size} && _Alignof({c}) == {what.align}"))
        paths = {short: path for path, short in structs.RENAMED.get(name, {}).items()}
        for field, at, fmt in what.fields:
            if field.startswith("bits"):
                continue
            path = paths.get(field, field)
            data.append((name, f"__builtin_offsetof({c}, {path}) == {at}"))
            if fmt[0] != "0" and not fmt.endswith("*0"):  # C knows no size of a flexible array
                data.append((name, f"sizeof((({c} *)0)->{path}) == {size_of(fmt, word)}"))
    return data


@pytest.mark.parametrize("word", [64, 32])
def test_the_compiler_lays_every_struct_out_so(word: int) -> None:
    compiler.need(word)
    asked = claims(word)
    assert len(asked) > 3000
    lines = [f'_Static_assert({claim}, "");' for _, claim in asked]
    head = compiler.include(HEADERS) + OWN
    refused = compiler.refused([f"-m{word}", *compiler.PRELUDE], head, lines)
    wrong = [f"{asked[i]}: {why}" for i, why in refused.items() if asked[i][0] not in GROWING]
    assert not wrong
    # Of structs that grow, older headers may lack the end; what they have, reserved room apart,
    # lies where we say.
    moved = [asked[i][1] for i, why in refused.items() if not NEWER.search(why)]
    assert not [claim for claim in moved if "offsetof" in claim and not ROOM.search(claim)]


@pytest.mark.parametrize("word", [64, 32])
def test_the_compiler_puts_bit_fields_there(word: int, tmp_path: Path) -> None:
    compiler.need(word)
    asked = [
        (name, field, *place)
        for name, texts in layout_data.TEXT.items()
        if texts[word == 32]
        for field, place in layout(name, word).bits().items()
        if not (name in GROWING and ROOM.search(field))
    ]
    head = compiler.include(HEADERS) + OWN
    variables = [
        f"const union {{ {c_type(name)} s; char pad[512]; }} v{i}"
        f' __attribute__((section(".bits"), aligned(512))) = {{ .s = {{ .{field} = -1 }} }};'
        for i, (name, field, *_) in enumerate(asked)
    ]
    lacking = compiler.refused([f"-m{word}", *compiler.PRELUDE], head, variables)
    assert {asked[i][0] for i in lacking} <= GROWING, lacking
    asked = [row for i, row in enumerate(asked) if i not in lacking]
    variables = [text for i, text in enumerate(variables) if i not in lacking]
    assert len(asked) >= 50
    obj, raw = tmp_path / "bits.o", tmp_path / "bits.bin"
    flags = [f"-m{word}", *compiler.PRELUDE, "-fno-toplevel-reorder", "-c", "-o", str(obj)]
    done = compiler.run(flags, head + "\n".join(variables))
    assert done.returncode == 0, done.stderr[:1000]
    copy = ["objcopy", "-O", "binary", "--only-section=.bits", str(obj), str(raw)]
    subprocess.run(copy, check=True, timeout=60)
    image = raw.read_bytes()
    for i, (name, field, unit, low, width) in enumerate(asked):
        expected = layout(name, word).pack(**{unit: ((1 << width) - 1) << low})
        assert image[i * 512 :][: len(expected)] == expected, (name, field)


def test_every_layout_is_sound() -> None:
    count = 0
    for name, texts in layout_data.TEXT.items():
        for word in (64, 32):
            if not texts[word == 32]:
                with pytest.raises(LookupError):
                    layout(name, word)
                continue
            what = layout(name, word)
            assert what.size % what.align == 0
            for _, at, fmt in what.fields:
                assert 0 <= at <= at + size_of(fmt, word) <= what.size
            decoded = what.unpack(bytes(range(256)) * 9)
            assert list(decoded) == [field for field, _, _ in what.fields]
            count += 1
    assert count > 500


def test_unpack_undoes_pack() -> None:
    values = {"it_interval": {"tv_sec": 1, "tv_nsec": 2}, "it_value": {"tv_sec": -3, "tv_nsec": 4}}
    for word in (64, 32):
        what = layout("itimerspec", word)
        assert what.unpack(what.pack(**values)) == values
    counter = layout("perf_event_attr", 64)
    assert counter.unpack(counter.pack(type=7))["type"] == 7


def test_pack_fields_of_each_shape() -> None:
    utsname = layout("utsname")
    data = utsname.pack(sysname=b"Linux", release=b"7.2")
    assert len(data) == 390
    assert utsname.unpack(data)["sysname"].rstrip(b"\0") == b"Linux"
    info = layout("sysinfo", 64)
    assert info.unpack(info.pack(loads=(1, 2, 3)))["loads"] == (1, 2, 3)
    address = layout("sockaddr_in").pack(sin_family=2, sin_port=b"\0\x50", sin_addr=b"\x7f\0\0\1")
    assert address == bytes.fromhex("02000050 7f000001") + bytes(8)
    frame = layout("rt_sigframe", 64).pack(uc={"uc_stack": {"ss_size": 5}})
    assert struct.unpack_from("<Q", frame, layout("rt_sigframe").offset("uc.uc_stack.ss_size")) == (
        5,
    )


def test_union_members_lie_side_by_side() -> None:
    info = layout("siginfo", 64)
    assert info.offset("si_pid") == info.offset("si_addr") == 16
    decoded = info.unpack(info.pack(si_signo=17, si_pid=99, si_status=3))
    assert (decoded["si_pid"], decoded["si_status"], decoded["si_value"]) == (99, 3, 3)
    with pytest.raises(ValueError, match="not after"):
        info.flat()


def test_one_struct_for_chosen_leaves() -> None:
    what = layout("stat", 64)
    chosen = what.select("st_ino", "st_size")
    assert chosen.size == what.size
    assert chosen.unpack(what.pack(st_ino=5, st_size=6, st_mode=7)) == (5, 6)
    assert what.flat().size == what.size
    with pytest.raises(ValueError, match="not after"):
        what.select("st_size", "st_ino")


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(LookupError, match="no struct nosuch at 64 bits"):
        layout("nosuch")
    with pytest.raises(LookupError, match="no field"):
        layout("timespec").pack(tv_usec=1)
    with pytest.raises(LookupError, match="no field"):
        layout("timespec").offset("tv_usec")
    with pytest.raises(LookupError, match="no field"):
        layout("timespec").select("tv_usec")
    with pytest.raises(ValueError, match="16 bytes, not 15"):
        layout("timespec").unpack(bytes(15))
    with pytest.raises(struct.error):
        layout("timespec", 32).pack(tv_sec=1 << 31)


def test_layouts_are_made_once() -> None:
    assert layout("stat", 64) is layout("stat", 64)
    assert isinstance(layout("stat", 32), Layout)
    assert layout("stat", 64) is not layout("stat", 32)
