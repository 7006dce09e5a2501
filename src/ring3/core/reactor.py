"""Host readiness: wait queues that follow a host descriptor.

A :class:`HostQueue` is a wait queue that wakes when its host descriptor becomes ready. It asks
the :class:`Reactor` for that when somebody waits, and until an edge finds nobody waiting, so an
idle descriptor costs nothing.
"""

from __future__ import annotations

import os
import select

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.poll import EPOLLET, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP
from ring3.core.park import Waiter, WaitQueue

if TYPE_CHECKING:
    from collections.abc import Callable

ALL_EVENTS = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET


class HostQueue(WaitQueue):
    """Wakes on any readiness edge of *host_fd*. Spurious wakes are allowed, lost ones are not."""

    __slots__ = ("armed", "host_fd", "reactor")

    def __init__(self, reactor: Reactor, host_fd: int) -> None:
        super().__init__()
        self.reactor = reactor
        self.host_fd = host_fd
        self.armed = False

    def add(self, waiter: Waiter) -> None:
        super().add(waiter)
        # A fresh registration makes the host report the present state as an edge: a readiness
        # that came between the caller's poll and this line is not lost. One that stands already
        # is left alone: renewing it would report again what the waiter did not wait for (a
        # socket is nearly always writable), and the waiter would spin.
        if not self.armed:
            self.reactor.watch(self)
        elif self.reactor.look_again is not None:
            self.reactor.look_again(self.host_fd)

    def close(self) -> None:
        """Forget the descriptor; call before closing it."""
        if self.armed:
            self.reactor.unwatch(self)


class Reactor:
    """One host epoll over every descriptor that somebody waits on, and death notices. On a host
    without epoll, poll or select stand in for it (``core.readiness``)."""

    def __init__(self) -> None:
        self.look_again: Callable[[int], None] | None = None
        """Where edges are made from levels: a waiter found nothing, and waits again."""
        self.epoll: Any
        if hasattr(select, "epoll"):
            self.epoll = select.epoll()
        else:
            from ring3.core.readiness import Readiness

            self.epoll = Readiness()
            self.look_again = self.epoll.look_again
        self.queues: dict[int, HostQueue] = {}
        self.callbacks: dict[int, Callable[[], None]] = {}
        self.doorbell_r, self.doorbell_w = os.pipe()  # not inherited: PEP 446
        os.set_blocking(self.doorbell_r, False)
        os.set_blocking(self.doorbell_w, False)
        self.epoll.register(self.doorbell_r, EPOLLIN)

    def watch(self, queue: HostQueue) -> None:
        fd = queue.host_fd
        try:
            self.epoll.register(fd, ALL_EVENTS)
        except PermissionError:
            # A regular file: always ready, epoll refuses it. Nobody should wait on one.
            queue.wake()
            return
        self.queues[fd] = queue
        queue.armed = True

    def harvest(self) -> None:
        """Bring in what the host has to tell at this moment: readiness is then as current as a
        system call would find it. Level-triggered callbacks are left to ``dispatch``."""
        for fd, _mask in self.epoll.poll(0):
            if (queue := self.queues.get(fd)) is not None:
                self.edge(queue)

    def edge(self, queue: HostQueue) -> None:
        if queue.waiters:
            queue.wake()
        else:
            self.unwatch(queue)

    def unwatch(self, queue: HostQueue) -> None:
        queue.armed = False
        if self.queues.pop(queue.host_fd, None) is not None:
            self.epoll.unregister(queue.host_fd)

    def on_readable(self, fd: int, callback: Callable[[], None]) -> None:
        """Call *callback* (kernel locked) each time *fd* is readable, until ``forget(fd)``."""
        self.callbacks[fd] = callback
        self.epoll.register(fd, EPOLLIN)

    def forget(self, fd: int) -> None:
        if self.callbacks.pop(fd, None) is not None:
            self.epoll.unregister(fd)

    def interrupt(self) -> None:
        """Make a ``poll`` under way on another thread return."""
        try:
            os.write(self.doorbell_w, b"\0")
        except BlockingIOError:
            pass  # already full of rings: the poll returns anyway

    def poll(self, timeout_s: float) -> list[tuple[int, int]]:
        """Wait for host events. What it returns has to be dispatched before anybody looks at
        readiness: to sleep without the kernel's lock, wait for ``epoll`` itself to be readable,
        then take the lock, then poll."""
        events: list[tuple[int, int]] = self.epoll.poll(timeout_s)
        return events

    def sleep(self, timeout_s: float) -> bool:
        """Wait until ``poll`` would have something to tell: may be called without the kernel's
        lock. True if it has."""
        if self.look_again is None:
            return bool(select.select([self.epoll.fileno()], [], [], timeout_s)[0])
        levels = dict.fromkeys(self.epoll.wanted, EPOLLIN)
        return bool(self.epoll.levels(levels, timeout_s))

    def dispatch(self, events: list[tuple[int, int]]) -> None:
        """Act on what ``poll`` gave (kernel locked)."""
        for fd, _mask in events:
            if fd == self.doorbell_r:
                try:
                    os.read(fd, 4096)
                except BlockingIOError:
                    pass
            elif (queue := self.queues.get(fd)) is not None:
                self.edge(queue)
            elif (callback := self.callbacks.get(fd)) is not None:
                callback()

    def close(self) -> None:
        self.epoll.close()
        os.close(self.doorbell_r)
        os.close(self.doorbell_w)
