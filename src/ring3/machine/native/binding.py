"""Secure bindings: granted descriptors in the vehicle under the guest's own numbers.

Invariant (fast profile): host descriptor N exists in a vehicle exactly when guest descriptor N
exists, and is either the granted description itself or a placeholder on which host I/O fails as
Linux fails for that kind of file. In the full profile nothing is bound.
"""

from __future__ import annotations

import os
import select

from ring3.abi.errno import ENOENT, Errno
from ring3.abi.fcntl import F_SETFD
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.prctl import PR_SET_SYSCALL_USER_DISPATCH
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.machine.native.protocol import SELECTOR_OFFSET, SHIM_TEXT, SHIM_WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.native.machine import NativeMachine
    from ring3.machine.native.vehicle import NativeVehicle

NR_CLOSE = NUMBERS["close"]
NR_FCNTL = NUMBERS["fcntl"]
NR_PRCTL = NUMBERS["prctl"]
NO_RESULT: Final = -(1 << 70)
"""For ``sync``: mirror only, there is no result to hand over."""
ROUTED_ATTENTION: Final = 2 | 4
"""Task.attention's OBSERVED and FILTERED (the task room is above this one)."""


class Bindings:
    def __init__(self, machine: NativeMachine, profile: str) -> None:
        self.machine = machine
        self.active = profile == "fast"
        self.placeholders: dict[str, int] = {}

    def release(self) -> None:
        """Close the placeholders."""
        for fd in self.placeholders.values():
            os.close(fd)
        self.placeholders.clear()

    def placeholder(self, kind: str) -> int:
        """A descriptor on which plain I/O fails as it must: made once, shared by all."""
        if (fd := self.placeholders.get(kind)) is not None:
            return fd
        if kind == "dir":
            fd = self.removed_directory()  # read gives EISDIR
        elif kind == "inval":
            with select.epoll() as empty:  # read gives EINVAL
                fd = os.dup(empty.fileno())
        else:
            fd = os.open("/dev/null", 3 | os.O_CLOEXEC)  # EBADF either way
        self.placeholders[kind] = fd
        return fd

    def removed_directory(self) -> int:
        """An empty directory that nobody can enter any more. (``tempfile`` takes as long to
        import as the kernel.)"""
        for place in (os.environ.get("TMPDIR"), "/tmp", "/dev/shm", "/var/tmp", os.getcwd()):
            path = f"{place}/ring3-{os.urandom(8).hex()}"
            try:
                os.mkdir(path, 0o700)
            except OSError:
                continue
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            os.rmdir(path)
            return fd
        raise FileNotFoundError(ENOENT.number, "no place for a temporary directory")

    # --- routing ---------------------------------------------------------------------------------
    def wants_route(self, v: NativeVehicle) -> bool:
        """Whether every call of this thread has to reach the kernel: it holds a description whose
        I/O the kernel does itself, or somebody watches."""
        task = v.task
        return self.active and bool(task.fds.routed or task.attention & ROUTED_ATTENTION)

    def route(self, v: NativeVehicle, then: Callable[[], None]) -> None:
        """Switch syscall user dispatch on or off for this thread, then call *then*.

        The switch is a byte in the slot; the host is told its address once per thread and program.
        A guest can undo this for itself: routing is for meaning, never for security.
        """
        on = self.wants_route(v)
        selector = v.slot_base + SELECTOR_OFFSET
        try:
            v.space.memory.store(selector, bytes([on]))
        except Errno:
            self.machine.lost(v, 11)
            return
        v.routed = on
        if v.armed or not on:
            then()
            return
        v.armed = True
        args = (PR_SET_SYSCALL_USER_DISPATCH, 1, SHIM_TEXT, SHIM_WINDOW, selector)

        def armed(v: NativeVehicle, index: int, last: int) -> None:
            if index != 1:
                self.machine.log.once(
                    "this host has no syscall user dispatch (Linux 5.11): files the kernel serves"
                    " itself cannot be read in the fast profile"
                )
            then()

        v.enter_shim(lambda: v.run([(NR_PRCTL, args, 0)], armed))

    def rebound(self, file: Any) -> None:
        """*file* has another host descriptor now (or none): renew every number that shows it."""
        if not self.active:
            return
        seen = set()
        for v in list(self.machine.vehicles.values()):
            table = v.task.fds if v.task is not None else None
            if table is None or id(table) in seen:
                continue
            seen.add(id(table))
            numbers = [n for n in table.bound if table.files.get(n) is file]
            if numbers:
                table.changes.update((n, file) for n in numbers)
                v.interrupt()  # a thread under way in the kernel finds the changes on its way out

    # --- mirroring -------------------------------------------------------------------------------
    def sync(self, v: NativeVehicle, result: int) -> bool:
        """Mirror the table's changes. True if the reply is taken care of."""
        table = v.task.fds
        changes, table.changes = table.changes, {}
        if not self.active:
            return False
        for number, file in changes.items():
            if file is not None and file.bind_fd is None and file.placeholder == "routed":
                table.routed.add(number)
            else:
                table.routed.discard(number)
        if v.routed == self.wants_route(v):
            return self.mirror(v, table, changes, result)
        self.mirror(v, table, changes, NO_RESULT)
        if result == NO_RESULT:
            return False  # the caller routes
        self.route(v, lambda: self.machine.answer(v, result))
        return True

    def mirror(self, v: NativeVehicle, table: Any, changes: dict[int, Any], result: int) -> bool:
        """Put the descriptors in place. True if the reply went along with the last one."""
        if result != NO_RESULT and len(changes) == 1 and not v.frame and table.users == 1:
            ((number, file),) = changes.items()
            if self.by_the_host(v, table, number, file, result):
                return True
            if file is not None and result == number:
                source, flags = self.source(file), cloexec(table, number)
                if self.machine.add_fd_and_reply(v, source, number, flags):
                    table.bound.add(number)
                    return True
                return False
        for number, file in changes.items():
            if file is not None:
                self.machine.add_fd(v, self.source(file), number, cloexec(table, number))
                table.bound.add(number)
            elif number in table.bound:
                # Not a close: that would race with another thread's next open.
                self.machine.add_fd(v, self.placeholder("badf"), number, os.O_CLOEXEC)
                table.bound.discard(number)
        return False

    def by_the_host(
        self, v: NativeVehicle, table: Any, number: int, file: Any, result: int
    ) -> bool:
        """close(2) and F_SETFD of a table nobody shares: the host's own call does the same."""
        task = v.task
        if result != 0 or task.attention or (task.args[0] & 0xFFFFFFFF) != number:
            return False
        if file is None and task.nr == NR_CLOSE and number in table.bound:
            table.bound.discard(number)
        elif not (
            file is not None
            and task.nr == NR_FCNTL
            and task.args[1] & 0xFFFFFFFF == F_SETFD
            and number in table.bound
        ):
            return False
        self.machine.let_continue(v)
        return True

    def source(self, file: Any) -> int:
        if file.bind_fd is not None:
            return int(file.bind_fd)
        return self.placeholder(file.placeholder)


def cloexec(table: Any, number: int) -> int:
    return os.O_CLOEXEC if number in table.cloexec else 0
