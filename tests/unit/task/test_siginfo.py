"""siginfo_t of both ABIs, against the layouts that the compiler gave."""

from __future__ import annotations

import struct

import pytest

from ring3.abi import signal as s
from ring3.abi.layout_data import LAYOUTS
from ring3.task.siginfo import SIZE, SigInfo

CASES = [
    (SigInfo(s.SIGUSR1, s.SI_USER, pid=7, uid=1000), "kill", {"si_pid": 7, "si_uid": 1000}),
    (SigInfo(40, s.SI_QUEUE, pid=7, uid=8, value=0x1234), "rt", {"si_pid": 7, "si_value": 0x1234}),
    (
        SigInfo(s.SIGALRM, s.SI_TIMER, timerid=3, value=9),
        "timer",
        {"si_timerid": 3, "si_overrun": 0, "si_value": 9},
    ),
    (
        SigInfo(s.SIGCHLD, s.CLD_EXITED, pid=5, uid=6, status=3, utime=11, stime=12),
        "chld",
        {"si_pid": 5, "si_uid": 6, "si_status": 3, "si_utime": 11, "si_stime": 12},
    ),
    (SigInfo(s.SIGSEGV, s.SEGV_MAPERR, addr=0x8000), "fault", {"si_addr": 0x8000}),
    (SigInfo(s.SIGIO, s.POLL_IN, band=0x41, fd=9), "poll", {"si_band": 0x41, "si_fd": 9}),
    (
        SigInfo(s.SIGSYS, s.SYS_SECCOMP, addr=0x400, syscall=39, arch=0xC000003E),
        "sys",
        {"si_call_addr": 0x400, "si_syscall": 39, "si_arch": 0xC000003E},
    ),
    (SigInfo(s.SIGSEGV, s.SI_KERNEL), "kill", {"si_pid": 0}),
]


@pytest.mark.parametrize("word", [64, 32])
@pytest.mark.parametrize(("info", "layout", "fields"), CASES, ids=[c[1] for c in CASES])
def test_layout(info: SigInfo, layout: str, fields: dict[str, int], word: int) -> None:
    assert info.layout == layout
    packed = info.pack(word)
    assert len(packed) == SIZE
    where = {name: (offset, fmt) for name, offset, fmt in LAYOUTS["siginfo"][word][2]}
    expected = {"si_signo": info.signo, "si_code": info.code, "si_errno": 0} | fields
    for name, value in expected.items():
        offset, fmt = where[name]
        assert struct.unpack_from("<" + fmt, packed, offset)[0] == value, name


def test_what_a_program_queues_is_passed_on_whole() -> None:
    raw = SigInfo(40, s.SI_QUEUE, pid=7, uid=8, value=1).pack(64)[:64] + bytes(range(64))
    info = SigInfo.unpack(raw, 64)
    assert (info.signo, info.code, info.pid, info.value) == (40, s.SI_QUEUE, 7, 1)
    assert info.pack(64) == raw


def test_a_childs_odd_exit_signal_keeps_the_childs_layout() -> None:
    info = SigInfo(s.SIGUSR1, s.CLD_EXITED, pid=5, status=3)
    info.form = "chld"
    assert struct.unpack_from("<iIi", info.pack(64), 16) == (5, 0, 3)


def test_values_are_cut_to_the_word() -> None:
    info = SigInfo(40, s.SI_QUEUE, value=0x1_0000_0002)
    assert struct.unpack_from("<I", info.pack(32), 20)[0] == 2
