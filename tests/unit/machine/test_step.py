"""The C primitives and their Python forms do the same, on our own process."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import threading
from collections.abc import Iterator
from types import ModuleType

import pytest

from ring3.abi.errno import EFAULT
from ring3.machine.native import purestep, step

FORMS: list[ModuleType] = [purestep]
try:
    from ring3.machine.native import _trap
except ImportError:
    pass  # not built: then only the Python form is tested
else:
    _trap.set_fault(EFAULT)
    FORMS.append(_trap)
PAGE = 4096
NOBODY = (1 << 22) + 1
"""Above the host's largest process number."""


@pytest.fixture(params=FORMS, ids=lambda form: form.__name__.rpartition(".")[2])
def form(request: pytest.FixtureRequest) -> ModuleType:
    found: ModuleType = request.param
    return found


class Pages:
    """Three pages: one to read and write, one to read, one that nobody may touch."""

    def __init__(self) -> None:
        self.map = mmap.mmap(-1, 3 * PAGE)
        self.at = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        protect = ctypes.CDLL(None).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        assert protect(self.at + PAGE, PAGE, 1) == 0
        assert protect(self.at + 2 * PAGE, PAGE, 0) == 0


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    yield Pages()


def test_load_and_store(form: ModuleType, pages: Pages) -> None:
    me = os.getpid()
    for data in (b"x", b"\0" * 17, bytes(range(256)) * 16, bytearray(b"abc"), memoryview(b"view")):
        form.store(me, pages.at, data)
        assert form.load(me, pages.at, len(data)) == bytes(data)
    form.store(me, pages.at, b"")
    assert form.load(me, pages.at, 0) == b""
    assert form.load(me, 0, 0) == b""


def test_all_or_fault(form: ModuleType, pages: Pages) -> None:
    me, end = os.getpid(), pages.at + 2 * PAGE
    assert form.load(me, end - 4, 4) == bytes(4)
    for at, size in ((end - 4, 5), (end, 1), (0, 1), (1 << 47, 8), ((1 << 64) - 1, 2)):
        with pytest.raises(EFAULT):
            form.load(me, at, size)
    for at in (end - 1, pages.at + PAGE - 1, pages.at + PAGE, 0, (1 << 64) - 1):
        with pytest.raises(EFAULT):
            form.store(me, at, b"ab")


def test_sizes_that_cannot_be(form: ModuleType, pages: Pages) -> None:
    me = os.getpid()
    with pytest.raises(ValueError, match="load of -1 bytes"):
        form.load(me, pages.at, -1)
    for size in ((1 << 47) + 1, 1 << 62):
        with pytest.raises(EFAULT):
            form.load(me, pages.at, size)


def test_no_such_process(form: ModuleType) -> None:
    with pytest.raises(EFAULT):
        form.load(NOBODY, 0x1000, 4)
    with pytest.raises(EFAULT):
        form.store(NOBODY, 0x1000, b"x")
    with pytest.raises(EFAULT):
        form.load_string(NOBODY, 0x1000, 4)
    form.tgkill(NOBODY, NOBODY, 0)  # no error: who is gone needs no kick


def test_strings(form: ModuleType, pages: Pages) -> None:
    me, end = os.getpid(), pages.at + PAGE
    form.store(me, pages.at, bytes(PAGE))
    form.store(me, pages.at, b"short\0")
    assert form.load_string(me, pages.at, 4096) == b"short"
    assert form.load_string(me, pages.at, 6) == b"short"
    assert form.load_string(me, pages.at, 5) is None  # no NUL within the limit
    assert form.load_string(me, pages.at, 0) is None
    assert form.load_string(me, pages.at + 5, 10) == b""
    long = b"y" * (PAGE - 1)
    form.store(me, pages.at, long + b"\0")
    assert form.load_string(me, pages.at, 2 * PAGE) == long
    form.store(me, end - 3, b"abc")
    assert form.load_string(me, end - 3, 64) == b"abc"  # ends in the page behind


def test_strings_that_run_into_a_fence(pages: Pages) -> None:
    """The last readable page without a NUL: a fault, however the pieces fall."""
    me, fence = os.getpid(), pages.at + PAGE
    ctypes.memset(pages.at, ord("z"), PAGE)
    protect = ctypes.CDLL(None).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    assert protect(fence, PAGE, 0) == 0
    try:
        for form in FORMS:
            for before in (1, 255, 256, 257, 4095, 4096):
                with pytest.raises(EFAULT):
                    form.load_string(me, fence - before, 2 * PAGE)
                assert form.load_string(me, fence - before, before) is None
    finally:
        assert protect(fence, PAGE, 1) == 0


def test_a_listener_that_is_none(form: ModuleType) -> None:
    with open(os.devnull) as file:
        assert form.send(file.fileno(), 1, 0, 0, 0) is False
        for reply in (0, 5):
            with pytest.raises(OSError) as failed:
                form.step(file.fileno(), reply, 0)
            assert failed.value.errno == 25  # ENOTTY


def test_tgkill_reaches_one_thread(form: ModuleType) -> None:
    got: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda signo, frame: got.append(signo))
    try:
        form.tgkill(os.getpid(), threading.get_native_id(), signal.SIGUSR1)
        assert got == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_kernel_uses_the_compiled_form_where_it_is_built() -> None:
    assert step.native == (len(FORMS) == 2) or os.environ.get("RING3_PURE")
