"""Host readiness: wait queues that follow a host descriptor.

A :class:`HostQueue` is a wait queue that wakes when its host descriptor becomes ready. It asks
the :class:`Reactor` for that when somebody waits, and until an edge finds nobody waiting, so an
idle descriptor costs nothing.
"""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from ring3.core.park import Waiter, WaitQueue

if TYPE_CHECKING:
    from collections.abc import Callable

INTEREST = select.EPOLLIN | select.EPOLLOUT | select.EPOLLPRI | select.EPOLLRDHUP
ALL_EVENTS = INTEREST | select.EPOLLET


class HostQueue(WaitQueue):
    """Wakes on any readiness edge of *host_fd*. Spurious wakes are allowed, lost ones are not."""

    __slots__ = ("armed", "fresh", "host_fd", "reactor", "skip")

    def __init__(self, reactor: Reactor, host_fd: int) -> None:
        super().__init__()
        self.reactor = reactor
        self.host_fd = host_fd
        self.armed = False
        self.fresh = False
        """Registered since the last edge: the host has reported the state at that time."""
        self.skip = False
        """The next edge to be dispatched is one that ``settle`` swallows."""

    def add(self, waiter: Waiter) -> None:
        super().add(waiter)
        # A fresh registration makes the host report the present state as an edge: a readiness
        # that came between the caller's poll and this line is not lost. One that stands already
        # is left alone: renewing it would report again what the waiter did not wait for (a
        # socket is nearly always writable), and the waiter would spin.
        if not self.armed:
            self.reactor.watch(self)

    def settle(self) -> None:
        """Swallow the edge that a fresh registration reports at once.

        For a lone waiter that polls the descriptor after this call: it would see the same
        readiness twice (edge-triggered epoll would report it twice).
        """
        if self.armed and self.fresh and len(self.waiters) == 1:
            self.fresh = False
            self.reactor.swallow(self)

    def close(self) -> None:
        """Forget the descriptor; call before closing it."""
        if self.armed:
            self.reactor.unwatch(self)


class Reactor:
    """One host epoll over every descriptor that somebody waits on, and death notices."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.queues: dict[int, HostQueue] = {}
        self.callbacks: dict[int, Callable[[], None]] = {}
        self.doorbell_r, self.doorbell_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.epoll.register(self.doorbell_r, select.EPOLLIN)

    def watch(self, queue: HostQueue) -> None:
        fd = queue.host_fd
        try:
            self.epoll.register(fd, ALL_EVENTS)
        except PermissionError:
            # A regular file: always ready, epoll refuses it. Nobody should wait on one.
            queue.wake()
            return
        self.queues[fd] = queue
        queue.armed = queue.fresh = True
        queue.skip = False

    def swallow(self, queue: HostQueue) -> None:
        """Take the edge of *queue*'s registration out of the host's list, serving the others."""
        seen = self.epoll.poll(0)
        self.edges([(fd, mask) for fd, mask in seen if fd != queue.host_fd])
        if all(fd != queue.host_fd for fd, _mask in seen):
            # Either there was none (not ready), or another thread is about to dispatch it.
            poll = select.poll()
            poll.register(queue.host_fd, INTEREST)
            queue.skip = bool(poll.poll(0))

    def edges(self, events: list[tuple[int, int]]) -> None:
        """Wake host queues; level-triggered callbacks are reported again by themselves."""
        for fd, _mask in events:
            if (queue := self.queues.get(fd)) is not None:
                self.edge(queue)

    def edge(self, queue: HostQueue) -> None:
        queue.fresh = False
        if queue.skip:
            queue.skip = False
        elif queue.waiters:
            queue.wake()
        else:
            self.unwatch(queue)

    def unwatch(self, queue: HostQueue) -> None:
        queue.armed = queue.fresh = False
        if self.queues.pop(queue.host_fd, None) is not None:
            self.epoll.unregister(queue.host_fd)

    def on_readable(self, fd: int, callback: Callable[[], None]) -> None:
        """Call *callback* (kernel locked) each time *fd* is readable, until ``forget(fd)``."""
        self.callbacks[fd] = callback
        self.epoll.register(fd, select.EPOLLIN)

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
        """Block (kernel unlocked) for host events."""
        return self.epoll.poll(timeout_s)

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
