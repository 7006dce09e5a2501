"""Code that changes must run as changed, though the engine notices stores only through executable
mappings (the "stale code" pitfall of the machine's notes)."""

from __future__ import annotations

from ring3.abi.mman import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED
from ring3.machine.emulated.remote import poke
from tests.unit.emulated.mm_fakes import PAGE, Content, FakeFile, Signal, World

ANON = MAP_PRIVATE | MAP_ANONYMOUS
R, RW, RX, RWX = 1, 3, 5, 7


def double(kind: int = RW) -> tuple[World, Content, int, int]:
    """One file page, mapped once to write and once to execute, as JIT compilers do."""
    w, content = World(), Content(bytes(PAGE))
    writing = w.space.map(None, 0, PAGE, kind, MAP_SHARED, FakeFile(content), 0)
    running = w.space.map(None, 0, PAGE, RX, MAP_SHARED, FakeFile(content), 0)
    return w, content, writing, running


def test_writable_and_executable_at_once() -> None:
    w = World()
    at = w.space.map(None, 0, PAGE, RWX, ANON, None, 0)
    for code in (b"one", b"two"):
        w.cpu.store(at, code)
        assert w.cpu.execute(at, 3) == code


def test_mprotect_back_and_forth() -> None:
    w = World()
    at = w.space.map(None, 0, PAGE, RW, ANON, None, 0)
    for code in (b"one", b"two", b"three"):
        w.space.protect(None, at, PAGE, RW)
        w.cpu.store(at, code)
        w.space.protect(None, at, PAGE, RX)
        assert w.cpu.execute(at, len(code)) == code
        try:
            w.cpu.store(at, b"!")
            raise AssertionError("W was taken away, and the TLB does not know")
        except Signal as end:
            assert end.args[0] == (11, 2)


def test_double_mapping() -> None:
    w, _, writing, running = double()
    for code in (b"one", b"two", b"tri"):
        w.cpu.store(writing, code)
        assert w.cpu.execute(running, 3) == code
        w.cpu.store(writing + 1, b"?")
        assert w.cpu.execute(running, 3) == code[:1] + b"?" + code[2:]


def test_double_mapping_in_another_process() -> None:
    w, content, writing, running = double()
    child = w.space.fork()
    w.cpu.store(writing, b"old")
    assert w.on(child).execute(running, 3) == b"old"
    w.on(w.space).store(writing, b"new")
    assert w.on(child).execute(running, 3) == b"new"
    assert content.read(0, 3) == b"new"


def test_private_text_of_a_file_that_is_stored_to() -> None:
    w, content, writing, _ = double()
    text = w.space.map(None, 0, PAGE, RX, MAP_PRIVATE, FakeFile(content), 0)
    w.cpu.store(writing, b"old")
    assert w.cpu.execute(text, 3) == b"old"
    w.cpu.store(writing, b"new")
    assert w.cpu.execute(text, 3) == b"new"


def test_three_ways_to_one_page() -> None:
    w, _, writing, running = double()
    cpu = w.cpu
    content = w.space.vmas.items[0].file
    both = w.space.map(None, 0, PAGE, RWX, MAP_SHARED, content, 0)
    for n, at in enumerate([writing, both, writing, writing, both, both] * 2):
        code = b"%03d" % n
        cpu.store(at, code)
        assert cpu.execute(running, 3) == code
        assert cpu.execute(both, 3) == code
    cpu.store(both, b"xyz")
    assert cpu.load(writing, 3) == b"xyz"


def test_mprotect_of_one_of_two_mappings() -> None:
    w, _, writing, running = double(RWX)
    w.cpu.store(writing, b"one")
    assert w.cpu.execute(running, 3) == b"one"
    w.space.protect(None, writing, PAGE, RW)
    w.cpu.store(writing, b"two")
    assert w.cpu.execute(running, 3) == b"two"
    w.space.protect(None, running, PAGE, R)
    w.cpu.store(writing, b"tri")
    w.space.protect(None, running, PAGE, RX)
    assert w.cpu.execute(running, 3) == b"tri"


def test_write_and_kernel_stores_change_code() -> None:
    w, content, _, running = double()
    content.write(0, b"one")
    assert w.cpu.execute(running, 3) == b"one"
    content.write(0, b"two")
    assert w.cpu.execute(running, 3) == b"two"
    own = w.space.map(None, 0, PAGE, RX, ANON, None, 0)
    assert w.cpu.execute(own, 3) == bytes(3)
    assert poke(w.space, own, b"brk") == 3
    assert w.cpu.execute(own, 3) == b"brk"
    assert w.physical.ram[w.physical.zero : w.physical.zero + 3] == bytes(3)


def test_a_debuggers_store_leaves_the_page_read_only() -> None:
    w = World()
    for prot in (0, R, RX):
        at = w.space.map(None, 0, PAGE, prot, ANON, None, 0)
        assert poke(w.space, at, b"brk") == 3
        assert w.space.peek(at, 3) == b"brk"
        try:
            w.cpu.store(at, b"!")
            raise AssertionError("the program got a right by being debugged")
        except Signal as end:
            assert end.args[0] == (11, 2)


def test_a_frame_of_code_in_its_next_life() -> None:
    w = World()
    for n in range(6):
        at = w.space.map(None, 0, PAGE, RWX, ANON, None, 0)
        w.cpu.store(at, b"%03d" % n)
        assert w.cpu.execute(at, 3) == b"%03d" % n
        w.space.unmap(None, at, PAGE)


def test_copy_on_write_of_code() -> None:
    w = World()
    at = w.space.map(None, 0, PAGE, RWX, ANON, None, 0)
    w.cpu.store(at, b"old")
    w.cpu.execute(at)
    child = w.space.fork()
    w.on(child).store(at, b"new")
    assert w.cpu.execute(at, 3) == b"new"
    assert w.on(w.space).execute(at, 3) == b"old"
    child.drop()
    w.cpu.store(at, b"own")
    assert w.cpu.execute(at, 3) == b"own"
