"""What observers of the gate see. They know signatures and events, never a handler."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.syscalls.table import Call
    from ring3.task.process import Process
    from ring3.task.signals import SigInfo
    from ring3.task.task import Task


class Observer(Protocol):
    """Called with the kernel locked; must not block. User memory is the guest's at that moment."""

    def enter(self, task: Task, nr: int, name: str, call: Call | None, args: Sequence[int]) -> None:
        """A system call begins. *call* is None where nothing serves *nr*; *name* may be ""."""

    def exit(
        self,
        task: Task,
        nr: int,
        name: str,
        call: Call | None,
        args: Sequence[int],
        result: int | None,
        reason: str,
    ) -> None:
        """The call is over. *result* is as in the register (-512 .. -516 are restarts), None where
        it never returns (exit, a successful exec of another thread). *reason* may explain it."""

    def signal(self, task: Task, info: SigInfo) -> None:
        """A signal is delivered to *task*."""

    def stopped(self, process: Process, signo: int) -> None: ...

    def exited(self, task: Task, status: int) -> None:
        """A thread is gone; *status* is the wait(2) status of its process."""

    def started(self, task: Task, parent: Task | None) -> None:
        """A thread or process was made."""

    def superseded(self, task: Task, by: int) -> None:
        """*task* vanished because thread *by* of its process called execve."""
