"""The native machine's primitives, in C where the extension is there, else in Python.

``step`` hands over a reply and waits for the next trap; ``send`` replies from another thread;
``tgkill`` kicks; ``load``, ``store`` and ``load_string`` reach a vehicle's memory. RING3_PURE=1 in
the environment chooses the Python forms.
"""

from __future__ import annotations

import os

from ring3.abi.errno import EFAULT
from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Trap = tuple[int, int, int, int, tuple[int, ...]]

step: Callable[[int, int, int], Trap]
send: Callable[[int, int, int, int, int], bool]
load: Callable[[int, int, int], bytes]
store: Callable[[int, int, bytes | bytearray | memoryview], None]
load_string: Callable[[int, int, int], bytes | None]
tgkill: Callable[[int, int, int], None]
native: bool


def choose() -> None:
    global step, send, tgkill, load, store, load_string, native
    if not os.environ.get("RING3_PURE"):
        try:
            import ring3.machine.native._trap as _trap
        except ImportError:
            pass
        else:
            _trap.set_fault(EFAULT)
            step, send, tgkill = _trap.step, _trap.send, _trap.tgkill
            load, store, load_string = _trap.load, _trap.store, _trap.load_string
            native = True
            return
    from ring3.machine.native import purestep

    step, send, tgkill = purestep.step, purestep.send, purestep.tgkill
    load, store, load_string = purestep.load, purestep.store, purestep.load_string
    native = False


choose()
