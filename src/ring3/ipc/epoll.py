"""epoll(7): a set of watched files and the list of those that may be ready.

Each watched file is an :class:`Item` that stands in the file's wait queues for as long as it is
watched; a wake puts it on the ready list. A wait looks at that list only, so its cost goes with
what happens, not with what is watched. Source: fs/eventpoll.c.
"""

from __future__ import annotations

from ring3.abi.errno import EEXIST, EINVAL, ELOOP, ENOENT, EPERM
from ring3.abi.fcntl import O_RDWR
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar
from ring3.abi.poll import (
    EPOLLERR,
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLHUP,
    EPOLLIN,
    EPOLLONESHOT,
    EPOLLOUT,
    EPOLLRDNORM,
    EPOLLWAKEUP,
)
from ring3.core.park import WaitQueue
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.core.park import Waiter
    from ring3.core.reactor import Reactor

PRIVATE = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE
EXCLUSIVE_OK = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE
ALWAYS_READY = ("regular", "dir", "path", "char")
"""Kinds of files (``File.kind``) that have no poll operation, unless they have wait queues."""
MAX_NESTS = 4

Event = tuple[int, int]
"""(events, data), as struct epoll_event has them."""


class Item:
    """One watched descriptor of one epoll instance."""

    __slots__ = ("data", "epoll", "events", "fd", "file", "queues")

    def __init__(self, epoll: EpollFile, fd: int, file: File, events: int, data: int) -> None:
        self.epoll = epoll
        self.fd = fd
        self.file = file
        self.events = events | EPOLLERR | EPOLLHUP
        """What is watched for; only PRIVATE bits are left once a one-shot item has fired."""
        self.data = data
        self.queues = file.wait_queues()

    def attach(self) -> None:
        for queue in self.queues:
            queue.add(self)
        self.file.follow(self)

    def detach(self) -> None:
        for queue in self.queues:
            queue.remove(self)
        self.file.unfollow(self)

    def ready(self, caller: Any) -> int:
        """Events that hold now and are watched for."""
        file = self.file
        if file.wants_caller and caller is not None:
            file.called_by(caller)
        return file.poll() & self.events & ~PRIVATE

    # --- as a waiter ---------------------------------------------------------------------------
    def woken(self, queue: WaitQueue) -> None:
        if self.events & ~PRIVATE:
            self.epoll.touch(self)

    def finished(self, queue: WaitQueue, result: int) -> None:
        """Nobody completes an epoll item: queues that do hold tasks only."""

    def file_gone(self, file: File) -> None:
        self.epoll.forget(self)


class EpollFile(File):
    """An epoll instance."""

    __slots__ = ("items", "pollers", "reactor", "touched", "waiters")
    kind: ClassVar[str] = "eventpoll"

    def __init__(self, reactor: Reactor) -> None:
        super().__init__(O_RDWR)
        self.reactor = reactor
        self.placeholder = "inval"
        self.items: dict[tuple[int, File], Item] = {}
        self.touched: dict[Item, None] = {}
        """Items that may be ready, in the order in which they became so."""
        self.waiters = WaitQueue()
        """Calls in epoll_wait: one is woken at a time."""
        self.pollers = WaitQueue()
        """Those who watch this instance itself: poll(2), outer instances."""

    # --- the set -------------------------------------------------------------------------------
    def add(self, fd: int, file: File, events: int, data: int, caller: Any = None) -> None:
        """EPOLL_CTL_ADD. EPERM, EINVAL, EEXIST, ELOOP."""
        self.check(file)
        if events & EPOLLEXCLUSIVE and (isinstance(file, EpollFile) or events & ~EXCLUSIVE_OK):
            raise EINVAL("not with EPOLLEXCLUSIVE")
        if isinstance(file, EpollFile):
            check_nesting(self, file)
        if (fd, file) in self.items:
            raise EEXIST
        item = self.items[fd, file] = Item(self, fd, file, events, data)
        item.attach()
        # The host reports the present state of what it has just begun to watch. Taken in now, it
        # counts once; later it would be one more edge.
        self.reactor.harvest()
        if item.ready(caller):
            self.touch(item)
        else:
            self.touched.pop(item, None)

    def modify(self, fd: int, file: File, events: int, data: int, caller: Any = None) -> None:
        """EPOLL_CTL_MOD. ENOENT, EINVAL."""
        self.check(file)
        item = self.items.get((fd, file))
        if events & EPOLLEXCLUSIVE:
            raise EINVAL("EPOLLEXCLUSIVE is for EPOLL_CTL_ADD")
        if item is None:
            raise ENOENT
        if item.events & EPOLLEXCLUSIVE:
            raise EINVAL("an exclusive item cannot be changed")
        item.events = events | EPOLLERR | EPOLLHUP
        item.data = data
        if item.ready(caller):
            self.touch(item)

    def delete(self, fd: int, file: File) -> None:
        """EPOLL_CTL_DEL. ENOENT, EINVAL."""
        self.check(file)
        item = self.items.get((fd, file))
        if item is None:
            raise ENOENT
        item.detach()
        self.forget(item)

    def check(self, file: File) -> None:
        """EPERM for what cannot be polled, EINVAL for the instance itself."""
        if not pollable(file):
            raise EPERM(f"{file.kind} is always ready")
        if file is self:
            raise EINVAL("an epoll instance cannot watch itself")

    def forget(self, item: Item) -> None:
        self.items.pop((item.fd, item.file), None)
        self.touched.pop(item, None)
        for queue in item.queues:
            queue.remove(item)

    def touch(self, item: Item) -> None:
        """*item* may be ready: tell one who waits, and all who watch."""
        touched = self.touched
        if item not in touched:
            touched[item] = None
        self.waiters.wake(1)
        if self.pollers.waiters:
            self.pollers.wake()

    # --- waiting -------------------------------------------------------------------------------
    def collect(self, most: int, caller: Any = None) -> list[tuple[Item, int]]:
        """Up to *most* (item, events) that are ready. Nothing is changed but the ready list:
        ``deliver`` does the rest once the events are stored."""
        found: list[tuple[Item, int]] = []
        self.reactor.harvest()
        for item in list(self.touched):
            events = item.ready(caller)
            if not events:
                del self.touched[item]
                continue
            found.append((item, events))
            if len(found) == most:
                break
        return found

    def deliver(self, found: list[tuple[Item, int]]) -> None:
        """The events of *found* reached the program."""
        touched = self.touched
        for item, _events in found:
            if item not in touched:
                continue
            del touched[item]
            if item.events & EPOLLONESHOT:
                item.events &= PRIVATE
            elif not item.events & EPOLLET:
                touched[item] = None  # level-triggered: looked at again, after the others
        if touched:
            self.waiters.wake(1)

    # --- being watched -------------------------------------------------------------------------
    def poll(self) -> int:
        self.reactor.harvest()
        for item in list(self.touched):
            if item.ready(None):
                return EPOLLIN | EPOLLRDNORM
            del self.touched[item]
        return 0

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.pollers,)

    def seek(self, offset: int, whence: int) -> int:
        """No position, and no error either (noop_llseek)."""
        return 0

    def info(self) -> str:
        return "".join(
            f"tfd: {item.fd:8} events: {item.events & 0xFFFFFFFF:8x} data: {item.data:16x} "
            f" pos:0 ino:{item.file.stat().ino:x} sdev:{item.file.stat().dev:x}\n"
            for item in self.items.values()
        )

    def release(self) -> None:
        for item in list(self.items.values()):
            item.detach()
        self.items.clear()
        self.touched.clear()


def pollable(file: File) -> bool:
    """Whether the file has a readiness of its own: what is always ready has none."""
    return bool(file.wait_queues()) or file.kind not in ALWAYS_READY


def check_nesting(outer: EpollFile, inner: EpollFile) -> None:
    """ELOOP if *inner* watches *outer*, or if the chain gets longer than Linux allows."""
    if reaches(inner, outer, 0) or depth_below(inner, 0) + depth_above(outer, 0) > MAX_NESTS:
        raise ELOOP("epoll instances nested too deep, or in a circle")


def reaches(start: EpollFile, goal: EpollFile, depth: int) -> bool:
    if start is goal:
        return True
    return depth <= MAX_NESTS and any(
        reaches(file, goal, depth + 1) for _fd, file in start.items if isinstance(file, EpollFile)
    )


def depth_below(file: EpollFile, depth: int) -> int:
    """How many levels of instances *file* watches, itself included."""
    if depth > MAX_NESTS:
        return depth
    inner = [depth_below(f, depth + 1) for _fd, f in file.items if isinstance(f, EpollFile)]
    return 1 + max(inner, default=0)


def depth_above(file: EpollFile, depth: int) -> int:
    """How many levels of instances watch *file*."""
    if depth > MAX_NESTS:
        return depth
    outer = [depth_above(w.epoll, depth + 1) for w in file.pollers.waiters if isinstance(w, Item)]
    return max((1 + d for d in outer), default=0)


def watchers(file: File) -> list[Waiter]:
    """The items that watch *file* (fdinfo, tests)."""
    return [f for f in file.followers or () if isinstance(f, Item)]
