"""Secure bindings: granted descriptors in the vehicle under the guest's own numbers.

Invariant (fast profile): host descriptor N exists in a vehicle exactly when guest descriptor N
exists, and is either the granted description itself or a placeholder on which host I/O fails as
Linux fails for that kind of file. In the full profile nothing is bound.
"""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Any

from ring3.abi.syscalls_x86_64 import NUMBERS

if TYPE_CHECKING:
    from ring3.machine.native.machine import NativeMachine
    from ring3.machine.native.vehicle import NativeVehicle

NR_CLOSE = NUMBERS["close"]
NR_FCNTL = NUMBERS["fcntl"]
F_SETFD = 2


class Bindings:
    def __init__(self, machine: NativeMachine, profile: str) -> None:
        self.machine = machine
        self.active = profile == "fast"
        self.placeholders: dict[str, int] = {}

    def placeholder(self, kind: str) -> int:
        """A descriptor on which plain I/O fails as it must: made once, shared by all."""
        if (fd := self.placeholders.get(kind)) is not None:
            return fd
        if kind == "dir":
            fd = self.removed_directory()  # read gives EISDIR
        elif kind == "inval":
            fd = select.epoll().fileno()  # read gives EINVAL
            fd = os.dup(fd)
        else:
            fd = os.open("/dev/null", 3 | os.O_CLOEXEC)  # EBADF either way
        self.placeholders[kind] = fd
        return fd

    def removed_directory(self) -> int:
        import tempfile

        path = tempfile.mkdtemp(prefix="ring3-")
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.rmdir(path)
        return fd

    def sync(self, v: NativeVehicle, result: int) -> bool:
        """Mirror the table's changes. True if the reply has been sent along with the last one."""
        table = v.task.fds
        changes, table.changes = table.changes, {}
        if not self.active:
            return False
        if len(changes) == 1 and not v.frame and table.users == 1:
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
