"""What gets onto the tape, and what the recorder leaves as it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from ring3.abi.errno import EACCES
from ring3.explain.film import CHAPTERS, Film
from ring3.explain.selection import NoSuchCall, Selection, listed
from ring3.syscalls.trap import Gate
from tests.unit.explain.scene import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


def pick(scene: Scene, *words: object, **named: object) -> None:
    scene.recorder.selection = Selection(*words, **named)  # type: ignore[arg-type]


def only(film: Film, chapter: int, kind: str) -> dict[str, object]:
    (step,) = film.of(chapter, kind)
    return step.data


def test_a_call_has_all_eight_chapters_and_survives_json(scene: Scene) -> None:
    pick(scene, "getpid")
    assert scene.call("getpid") == scene.task.process.pid
    film = scene.film()
    assert {step.chapter for step in film.steps} == set(CHAPTERS)
    assert Film.from_json(film.to_json()).plain() == film.plain()
    assert film.header["line"] == f"getpid() = {scene.task.process.pid}"


def test_copies_to_user_memory_tell_where_they_were_asked_for(scene: Scene) -> None:
    pick(scene, "pipe2")
    at = scene.kitchen.memory.room(8)
    assert scene.call("pipe2", at, 0) == 0
    film = scene.film()
    copied = only(film, 8, "copy_out")
    assert (copied["address"], copied["size"], copied["fault"]) == (at, 8, False)
    place = copied["place"]
    assert isinstance(place, dict)
    assert (place["file"], place["function"]) == ("ring3/syscalls/pipe.py", "publish_pipe")
    assert film.of(6)[0].kind == "none"


def test_a_copy_across_a_page_border_is_told_page_by_page(scene: Scene) -> None:
    pick(scene, "pipe2")
    memory = scene.kitchen.memory
    border = (memory.base + 0x3000) & -0x1000
    assert scene.call("pipe2", border - 4, 0) == 0
    pages = only(scene.film(), 8, "copy_out")["pages"]
    assert isinstance(pages, list)
    assert [(p["page"], p["bytes"]) for p in pages] == [(border - 0x1000, 4), (border, 4)]


def test_a_fault_names_its_page_and_becomes_errno(scene: Scene) -> None:
    pick(scene, "pipe2")
    result = scene.call("pipe2", 0x10, 0)
    assert result == -14
    film = scene.film()
    (step,) = film.of(8, "copy_out")
    assert step.data["fault"] and "EFAULT" in step.title
    assert step.data["pages"][0]["told"] == "no area here"
    assert only(film, 8, "result")["errno"] == "EFAULT"
    assert only(film, 7, "handler")["raised"]["type"] == "EFAULT"  # type: ignore[index]


def test_a_kernel_pointer_is_refused_before_any_page_is_looked_at(scene: Scene) -> None:
    pick(scene, "write")
    ends = scene.kitchen.memory.room(8)
    scene.call("pipe2", ends, 0)
    _, writer = scene.kitchen.memory.ints(ends, "ii")
    assert scene.call("write", writer, 0xFFFF888000000000, 16) == -14
    assert only(scene.film(), 6, "refused")["argument"] == "buf"


def test_the_lines_of_the_handler_that_ran(scene: Scene) -> None:
    pick(scene, "pipe2")
    assert scene.call("pipe2", 0x10000, 0xFFFFFF) == -22
    film = scene.film()
    told = only(film, 7, "handler")
    order = told["order"]
    assert isinstance(order, list) and isinstance(told["raised"], dict)
    assert order[-1][1] == told["raised"]["line"]
    assert len(order) == len(film.of(7, "line"))
    assert sys.gettrace() is None or "explain" not in repr(sys.gettrace())
    listing = film.of(7, "handler")[0].blocks[1]
    raised = [line for line in listing["lines"] if line["mark"] == "raised"]
    assert len(raised) == 1 and raised[0]["text"].strip().startswith("raise EINVAL")


def test_an_unknown_number_is_enosys(scene: Scene) -> None:
    pick(scene, nr=9999)
    assert scene.call(9999, 1, 2) == -38
    film = scene.film()
    assert film.of(5)[0].kind == "enosys"
    assert len(only(film, 2, "registers")["arguments"]) == 6  # type: ignore[arg-type]
    assert only(film, 8, "result")["errno"] == "ENOSYS"


def test_filters_are_told_in_order_with_their_verdicts(scene: Scene) -> None:
    pick(scene, "getpid")
    filters = [lambda t, nr, name, args: None, lambda t, nr, name, args: -EACCES.number]
    scene.gate.filters = filters  # type: ignore[assignment]
    assert scene.call("getpid") == -13
    asked = only(scene.film(), 4, "judges")["asked"]
    assert isinstance(asked, list)
    assert [each["verdict"] for each in asked] == [None, -13]
    assert scene.gate.filters == filters
    assert scene.recorder.tape is not None
    assert not scene.recorder.tape.named("run")


def test_parks_wakes_and_the_second_execution(scene: Scene) -> None:
    pick(scene, "read")
    memory = scene.kitchen.memory
    ends, buffer = memory.room(8), memory.room(16)
    scene.call("pipe2", ends, 0)
    reader, writer = memory.ints(ends, "ii")
    assert scene.call("read", reader, buffer, 16) is None
    other = scene.new_task()
    other.fds = scene.task.fds
    assert scene.call("write", writer, memory.room(5, b"hello"), 5, by=other) == 5
    answers: list[object] = []
    scene.kitchen.world.machine.reply = lambda t, r: answers.append((t, r))  # type: ignore[method-assign]
    scene.gate.drain()
    assert answers == [(scene.task, 5)]
    film = scene.film()
    kinds = [s.kind for s in film.of(7) if s.kind != "line"]
    assert kinds == ["handler", "park", "wake", "handler"]
    assert only(film, 7, "park")["refused"] is False
    assert only(film, 7, "park")["queues"] == ["Pipe.readable"]
    assert "write" in str(only(film, 7, "wake")["by"])
    assert memory.get(buffer, 5) == b"hello"
    assert only(film, 8, "copy_out")["data"] == b"hello".hex()


def test_nothing_stays_behind(scene: Scene) -> None:
    memory = scene.task.memory
    pick(scene, "pipe2")
    scene.call("pipe2", scene.kitchen.memory.room(8), 0)
    assert scene.task.memory is memory
    scene.recorder.detach()
    assert type(scene.gate) is Gate
    assert scene.recorder not in scene.gate.observers


def test_without_a_choice_it_is_the_first_write_or_the_first_call(scene: Scene) -> None:
    scene.call("getpid")
    scene.call("getppid")
    first = scene.recorder.tape
    assert first is not None and first.name == "getpid"
    ends = scene.kitchen.memory.room(8)
    scene.call("pipe2", ends, 0)
    scene.call("write", 99, ends, 1)
    assert scene.recorder.tape is not None and scene.recorder.tape.name == "write"
    assert scene.recorder.counts == {"getpid": 1, "getppid": 1, "pipe2": 1, "write": 1}


def test_the_nth_of_its_kind(scene: Scene) -> None:
    pick(scene, "close", nth=2)
    for fd in (90, 91, 92):
        scene.call("close", fd)
    assert scene.film().header["line"].startswith("close(91)")


def test_a_bug_of_the_film_does_not_reach_the_guest(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no film today")

    monkeypatch.setattr("ring3.explain.snapshot.take", broken)
    pick(scene, "getpid")
    assert scene.call("getpid") == scene.task.process.pid
    assert scene.recorder.tape is None
    assert "no film today" in scene.recorder.failure


def test_names_that_no_abi_has() -> None:
    with pytest.raises(NoSuchCall, match=r"did you mean openat\?"):
        Selection("opneat")


def test_the_list_of_calls_keeps_to_the_width() -> None:
    rows = list(listed({f"call_{n}": n for n in range(1, 60)}))
    assert len(rows) > 3 and all(len(row) <= 97 for row in rows)
    assert rows[0].startswith("call_59×59, call_58×58")
