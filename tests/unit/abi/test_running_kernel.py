"""Layouts and signatures against the kernel that runs the tests: its BTF and its tracefs.

The kernel's compat structs are the i386 ABI as it really serves it. Kernels may be older than our
data (7.2), so what they lack is not compared; what they have must agree.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from pathlib import Path

import pytest
from tools.abi import structs

from ring3.abi import layout_data
from ring3.abi.layouts import layout
from ring3.abi.signatures import NUMBERS, signature
from tests.unit.abi import btf

# Structs that the kernel's own struct of that name is not: an internal form, or a later size.
INTERNAL = {"msghdr"}
GROWS = {
    "rseq", "landlock_ruleset_attr", "pidfd_info", "perf_event_attr", "statx", "tcp_info",
    "statmount", "mnt_id_req", "ptrace_syscall_info", "procmap_query", "mnt_ns_info",
}  # fmt: skip
# Fields that only pad, or that close a growing struct.
PADDING = re.compile(r"rt_pad\d|end")
# i386 layout to the struct by which a 64-bit kernel serves it.
COMPAT_PAIRS = (
    "stat stat64=stat64 rusage statfs statfs64 siginfo ucontext=ucontext_ia32 sigaction"
    " rt_sigframe=rt_sigframe_ia32 sigframe=sigframe_ia32 old_sigaction flock flock64 msghdr"
    " mmsghdr cmsghdr sysinfo shmid_ds=compat_shmid64_ds semid_ds=compat_semid64_ds"
    " msqid_ds=compat_msqid64_ds ipc_perm=compat_ipc64_perm old_shmid_ds=compat_shmid_ds"
    " old_semid_ds=compat_semid_ds old_msqid_ds=compat_msqid_ds old_ipc_perm=compat_ipc_perm"
    " timex=old_timex32 rlimit tms iovec sigaltstack robust_list_head robust_list sigevent"
    " mq_attr ustat linux_dirent old_linux_dirent ifreq timespec=old_timespec32"
    " timeval=old_timeval32 itimerspec=old_itimerspec32 itimerval=old_itimerval32 ifconf"
    " sigcontext=sigcontext_32 sock_fprog group_req shm_info shminfo=compat_shminfo64"
    " ipc_kludge sigset_argpack sel_arg_struct mmap_arg_struct=mmap_arg_struct32"
    " utimbuf=old_utimbuf32 rtentry if_dqblk serial_struct=serial_struct32 hd_geometry"
    " input_event=input_event_compat user_regs_struct=user_regs_struct32"
    " __kernel_timespec=__kernel_timespec epoll_event=epoll_event"
)
COMPAT = {
    name: tag or f"compat_{name}"
    for name, _, tag in (pair.partition("=") for pair in COMPAT_PAIRS.split())
}
# An x86-64 kernel aligns the (unused) floating-point state in this frame more than i386 does.
OTHER_SIZE = {"sigframe"}


@functools.cache
def kernel() -> btf.Kernel:
    if not btf.BTF.exists():
        pytest.skip(f"{btf.BTF} is missing: the kernel was built without DEBUG_INFO_BTF")
    return btf.Kernel()


def differences(name: str, word: int, tag: str) -> list[str] | None:
    """What the kernel's struct *tag* says otherwise; None if the kernel has no such struct."""
    number = kernel().find(btf.STRUCT, tag)
    if not number:
        return None
    ours, theirs = layout(name, word), kernel().members(number)
    found = [
        f"{name}.{field} is at {theirs[field]}, not {at}"
        for field, at, _ in ours.fields
        if field in theirs and theirs[field] != at and not PADDING.fullmatch(field)
    ]
    size = kernel().header(number)[3]
    if size != ours.size and name not in GROWS | OTHER_SIZE:
        found.append(f"{name} has {size} bytes, not {ours.size}")
    return found


def test_x86_64_structs_are_the_kernels_own() -> None:
    tags = {entry.partition("=")[0]: entry.partition("=")[2] for entry in structs.STRUCTS}
    names = [n for n, (wide, _) in layout_data.TEXT.items() if wide and n not in INTERNAL]
    found = [differences(n, 64, (tags.get(n) or n).removeprefix("k_")) for n in names]
    assert sum(one is not None for one in found) > 150
    assert not [text for one in found for text in one or ()]


def test_i386_structs_are_the_kernels_compat_ones() -> None:
    if not kernel().find(btf.STRUCT, "compat_stat"):
        pytest.skip("the kernel was built without IA32_EMULATION")
    found = [differences(name, 32, tag) for name, tag in COMPAT.items()]
    assert sum(one is not None for one in found) > 50
    assert not [text for one in found for text in one or ()]


def plain(kind: str) -> str:
    """A C type as tracefs and BTF can be compared: no qualifiers, one name for one type."""
    kind = re.sub(r"\b(const|enum|struct|union)\b", "", kind)
    kind = kind.replace("long unsigned int", "unsigned long").replace("long int", "long")
    kind = re.sub(r"\bunsigned\b(?! (int|long|char|short))", "unsigned int", kind)
    kind = re.sub(r"\b__([us]\d+)\b", r"\1", kind).replace(" ", "")
    return kind.replace("unsignedlong", "size_t") if kind == "unsignedlong" else kind


def same_type(ours: str, theirs: str) -> bool:
    a, b = plain(ours), plain(theirs)
    return a == b or (("*" in a) == ("*" in b) and {a, b} <= ALIKE)


# A kernel after 6.12 respelled these; the register holds the same.
ALIKE = {"u32", "unsignedint", "int", "size_t", "unsignedlong", "loff_t", "u64", "rwf_t", "s32"}


def test_signatures_are_those_of_the_kernels_functions() -> None:
    # A 64-bit kernel's sys_clone is not i386's, whose tls comes before child_tidptr.
    compared = 0
    wrong = []
    for abi, table in NUMBERS.items():
        for name in table:
            call = signature(name, abi)
            prefix = "__do_compat_" if call.entry.startswith("compat_") else "__do_"
            theirs = kernel().arguments(prefix + call.entry.removeprefix("compat_"))
            if theirs is None or not call.entry or (abi, name) == ("i386", "clone"):
                continue
            compared += 1
            theirs = [row for row in theirs if row[0] != "__unused"]
            if [n for n, _ in call.args] != [n for n, _ in theirs] or not all(
                same_type(a, b) for (_, a), (_, b) in zip(call.args, theirs, strict=True)
            ):
                wrong.append(f"{abi} {call}: {theirs}")
    assert not wrong
    assert compared > 100


def tracefs() -> str:
    """All formats of tracefs' system call events, as one text; skip if it cannot be had."""
    script = (
        "d=/sys/kernel/tracing; test -d $d/events/syscalls || mount -t tracefs none $d || exit 1;"
        " cat $d/events/syscalls/sys_enter_*/format"
    )
    wrap = [] if Path("/sys/kernel/tracing/events/syscalls").exists() else ["unshare", "-m"]
    done = subprocess.run(
        [*wrap, "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        reason = "only root may read it" if os.getuid() else done.stderr.strip()
        pytest.skip(f"no tracefs with system call events: {reason}")
    return done.stdout


def test_signatures_are_those_of_tracefs() -> None:
    field = re.compile(r"\tfield:(.+?)(\w+);\toffset:(\d+);")
    wrong, seen = [], 0
    for text in tracefs().split("name: sys_enter_")[1:]:
        entry = "sys_" + text.split("\n", 1)[0]
        calls = [n for n in NUMBERS["x86_64"] if signature(n).entry == entry]
        theirs = [(m[2], m[1].strip()) for m in field.finditer(text) if int(m[3]) >= 16]
        for name in calls:
            seen += 1
            ours = signature(name).args
            if [n for n, _ in ours] != [n for n, _ in theirs] or not all(
                same_type(a, b) for (_, a), (_, b) in zip(ours, theirs, strict=True)
            ):
                wrong.append(f"{signature(name)}: {theirs}")
    assert not wrong
    assert seen > 300
