"""Tables of system calls: numbers as in the host's headers, signatures and categories complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ring3.abi import signature_data, syscalls_i386, syscalls_x86_64
from ring3.abi.signatures import ABIS, CATEGORIES, CATEGORY, NUMBERS, signature

ASM = (Path("/usr/include/x86_64-linux-gnu/asm"), Path("/usr/include/asm"))
HEADERS = {"x86_64": "unistd_64.h", "i386": "unistd_32.h"}
# Newer than Linux 6.12; the same number on both ABIs.
NEWEST = {
    "setxattrat": 463,
    "getxattrat": 464,
    "listxattrat": 465,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_getattr": 468,
    "file_setattr": 469,
    "listns": 470,
    "rseq_slice_yield": 471,
}
# Numbers that Linux keeps for calls that it never had or has given up (they answer ENOSYS).
GONE = {
    "x86_64": "uselib _sysctl create_module get_kernel_syms query_module nfsservctl getpmsg putpmsg"
    " afs_syscall tuxcall security set_thread_area get_thread_area lookup_dcookie epoll_ctl_old"
    " epoll_wait_old vserver",
    "i386": "break stty gtty ftime prof lock mpx ulimit profil idle create_module get_kernel_syms"
    " bdflush afs_syscall _sysctl query_module nfsservctl getpmsg putpmsg lookup_dcookie vserver",
}


@pytest.mark.parametrize("abi", ABIS)
def test_numbers_are_those_of_the_hosts_headers(abi: str) -> None:
    header = next((d / HEADERS[abi] for d in ASM if (d / HEADERS[abi]).exists()), None)
    if header is None:
        pytest.skip("no kernel headers: apt-get install linux-libc-dev")
    rows = re.findall(r"^#define __NR_(\w+)\s+(\d+)$", header.read_text(), re.MULTILINE)
    assert len(rows) > 350
    assert [row for row in rows if NUMBERS[abi].get(row[0]) != int(row[1])] == []


def test_tables_are_complete_up_to_linux_7() -> None:
    assert len(syscalls_x86_64.NUMBERS) == 385
    assert len(syscalls_i386.NUMBERS) == 461
    for abi in ABIS:
        assert len(set(NUMBERS[abi].values())) == len(NUMBERS[abi])
        assert {name: NUMBERS[abi][name] for name in NEWEST} == NEWEST
        assert max(NUMBERS[abi].values()) == 471


@pytest.mark.parametrize("abi", ABIS)
def test_every_call_has_a_signature_or_is_known_to_be_gone(abi: str) -> None:
    calls = [signature(name, abi) for name in NUMBERS[abi]]
    assert {call.name for call in calls if not call.entry} == set(GONE[abi].split())
    for call in calls:
        assert len(call.args) <= 6
        names = [name for name, _ in call.args]
        assert len(set(names)) == len(names), call
        for name, kind in call.args:
            assert re.fullmatch(r"[a-z_]\w*", name), call
            assert re.fullmatch(r"[a-z_][\w ]*\w( ?\*+(const)?)*", kind), (call, kind)
    without = {call.name for call in calls if call.entry and not call.args}
    assert {"fork", "getpid", "sync", "pause"} <= without
    assert len(without) < 40


def test_categories_are_the_six_and_cover_everything() -> None:
    assert len(CATEGORIES) == 6
    assert set(CATEGORY) == {name for abi in ABIS for name in NUMBERS[abi]}
    assert set(CATEGORY.values()) == set(CATEGORIES)
    assert signature("fork").category == "process control"
    assert signature("openat").category == "file management"
    assert signature("ioctl").category == "device management"
    assert signature("getpid").category == "information maintenance"
    assert signature("pipe").category == "communication"
    assert signature("chmod").category == "protection"


def test_known_signatures() -> None:
    assert signature("read").args == (
        ("fd", "unsigned int"),
        ("buf", "char *"),
        ("count", "size_t"),
    )
    assert signature("clone").args[3][0] == "child_tidptr"
    assert signature("clone", "i386").args[3][0] == "tls"
    assert [name for name, _ in signature("pread64", "i386").args][-2:] == ["poslo", "poshi"]
    assert signature("stat64", "i386").args[1] == ("statbuf", "struct stat64 *")
    assert signature("fork").prototype == "fork(void)"
    assert repr(signature("dup")) == "<dup(unsigned int fildes) = 32>"


def test_a_call_of_the_other_abi_is_not_found() -> None:
    with pytest.raises(LookupError, match="x86_64 has no system call waitpid"):
        signature("waitpid")
    assert signature("waitpid", "i386").number == 7
    assert set(signature_data.X86_64) == set(syscalls_x86_64.NUMBERS)
    assert set(signature_data.I386) == set(syscalls_i386.NUMBERS)
