"""What a world's guests share by name or by number: System V objects, queues.

One ``IpcSpace`` hangs on each world; its tables are made when the first call asks for them.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ring3.core.clock import Clock
    from ring3.core.reactor import Reactor
    from ring3.ipc.mqueue import MessageQueues
    from ring3.ipc.msg import MessageTable
    from ring3.ipc.sem import SemaphoreTable
    from ring3.ipc.shm import ShmTable


class Ground(Protocol):
    """What this room needs of a world."""

    clock: Clock
    reactor: Reactor
    ipc: IpcSpace

    @property
    def own_objects(self) -> bool: ...


class IpcSpace:
    """The tables of one IPC namespace."""

    __slots__ = ("_messages", "_queues", "_semaphores", "_shm", "timers")

    def __init__(self) -> None:
        self.timers: list[Any] = []
        """Armed timerfds that go by the wall clock: clock_settime(2) has to tell them."""
        self._shm: ShmTable | None = None
        self._semaphores: SemaphoreTable | None = None
        self._messages: MessageTable | None = None
        self._queues: MessageQueues | None = None

    @property
    def shm(self) -> ShmTable:
        if self._shm is None:
            from ring3.ipc.shm import ShmTable

            self._shm = ShmTable()
        return self._shm

    @property
    def semaphores(self) -> SemaphoreTable:
        if self._semaphores is None:
            from ring3.ipc.sem import SemaphoreTable

            self._semaphores = SemaphoreTable()
        return self._semaphores

    @property
    def messages(self) -> MessageTable:
        if self._messages is None:
            from ring3.ipc.msg import MessageTable

            self._messages = MessageTable()
        return self._messages

    @property
    def queues(self) -> MessageQueues:
        if self._queues is None:
            from ring3.ipc.mqueue import MessageQueues

            self._queues = MessageQueues()
        return self._queues
