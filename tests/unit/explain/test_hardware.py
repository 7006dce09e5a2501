"""What of the machine's steps gets onto a call's tape."""

from __future__ import annotations

from typing import Any

from ring3.explain.hardware import Hardware
from ring3.explain.tape import Tape


class Board:
    probe: Any = None


class Thread:
    tid = 2


USER, KERNEL = {"cpl": 3}, {"cpl": 0}


def names(tape: Tape) -> list[str]:
    return [event.data["name"] for event in tape.events]


def begun() -> tuple[Hardware, Board, Tape]:
    hardware, board = Hardware(), Board()
    hardware.attach(board)
    board.probe("entry", {"kind": "exception", "vector": 14})
    board.probe("return", {"kind": "iret", "before": KERNEL, "after": USER})
    board.probe("entry", {"kind": "syscall"})
    tape = Tape("read", 0, 1, None)
    tape.tid = 2
    hardware.begin(tape, Thread())  # type: ignore[arg-type]
    return hardware, board, tape


def test_the_way_in_is_the_last_one_before_the_call_was_known() -> None:
    _, _, tape = begun()
    assert names(tape) == ["entry"]
    assert tape.events[0].data["details"]["kind"] == "syscall"
    assert tape.events[0].data["before"] is True


def test_other_threads_work_is_left_out_until_the_cpu_comes_back() -> None:
    hardware, board, tape = begun()
    board.probe("switch", {"from": 2, "to": 3})
    board.probe("walk", {"address": 1})
    board.probe("switch", {"from": 3, "to": 2})
    board.probe("walk", {"address": 2})
    assert names(tape) == ["entry", "switch", "switch", "walk"]
    board.probe("switch", {"from": 2, "to": 3})
    hardware.inside = True  # the handler runs again, on the CPU of who woke it
    board.probe("walk", {"address": 3})
    assert names(tape)[-1] == "walk"


def test_the_films_own_looks_are_no_part_of_it() -> None:
    hardware, board, tape = begun()
    with hardware.ours():
        board.probe("walk", {"address": 1})
    assert names(tape) == ["entry"]


def test_it_ends_with_the_return_to_user_mode_after_the_result() -> None:
    hardware, board, tape = begun()
    board.probe("return", {"kind": "iret", "before": KERNEL, "after": KERNEL})
    tape.over = True
    board.probe("return", {"kind": "iret", "before": KERNEL, "after": KERNEL})
    assert not tape.back
    board.probe("return", {"kind": "sysret", "before": KERNEL, "after": USER})
    assert tape.back
    board.probe("walk", {"address": 1})
    assert names(tape) == ["entry", "return", "return", "return"]
    hardware.detach()
    assert board.probe is None
