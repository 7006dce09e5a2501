"""O_ASYNC: a signal to an owner whenever a file may be ready (F_SETOWN, F_SETSIG, FIOASYNC).

Source: fs/fcntl.c (send_sigio), fcntl(2).
"""

from __future__ import annotations

from ring3.abi.errno import ENOTTY
from ring3.abi.fcntl import F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID, O_ASYNC
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.poll import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from ring3.abi.signal import POLL_ERR, POLL_HUP, POLL_IN, POLL_OUT, POLL_PRI, SIGIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring3.core.park import WaitQueue
    from ring3.task.process import Process
    from ring3.task.task import Task
    from ring3.task.world import World
    from ring3.vfs.file import File

# What happened, its si_code, and the bits that si_band then has (fs/fcntl.c, band_table).
BANDS = (
    (POLLIN, POLL_IN, POLLIN | POLLRDNORM),
    (POLLOUT, POLL_OUT, POLLOUT | POLLWRNORM | POLLWRBAND),
    (POLLPRI, POLL_PRI, POLLPRI | POLLRDBAND),
    (POLLERR, POLL_ERR, POLLERR),
    (POLLHUP, POLL_HUP, POLLHUP | POLLERR),
)


class Owner:
    """Whom an open file description signals, and for what. Waits in its queues while O_ASYNC."""

    __slots__ = ("fd", "file", "kind", "number", "queues", "signo", "world")

    def __init__(self, world: World, file: File) -> None:
        self.world = world
        self.file = file
        self.kind = F_OWNER_PID
        self.number = 0
        """Process, thread or process group, by ``kind``; 0 for none."""
        self.signo = 0
        """F_SETSIG; 0 means SIGIO without details."""
        self.fd = -1
        self.queues: tuple[WaitQueue, ...] = ()

    def watch(self, fd: int) -> None:
        self.fd = fd
        self.queues = self.file.wait_queues()
        for queue in self.queues:
            queue.add(self)

    def unwatch(self) -> None:
        for queue in self.queues:
            queue.remove(self)
        self.queues = ()

    def woken(self, queue: WaitQueue) -> None:
        mask = self.file.poll()
        for event, code, band in BANDS:
            if mask & event:
                self.send(code, band)

    def finished(self, queue: WaitQueue, result: int) -> None:
        """Nobody completes an owner: queues that do hold tasks only."""

    def file_gone(self, file: File) -> None:
        self.unwatch()

    def send(self, code: int, band: int) -> None:
        from ring3.task.signals import SigInfo, send_to_process, send_to_task

        info = SigInfo(self.signo, code, band=band, fd=self.fd) if self.signo else SigInfo(SIGIO)
        if self.kind == F_OWNER_TID:
            task = self.world.tasks.get(self.number)
            if task is not None:
                send_to_task(task, info)
            return
        for process in self.processes():
            send_to_process(process, info)

    def processes(self) -> Iterator[Process]:
        if self.kind == F_OWNER_PGRP:
            group = self.world.groups.get(self.number)
            yield from list(group.members) if group is not None else ()
        elif (process := self.world.processes.get(self.number)) is not None:
            yield process


def owner_of(file: File) -> Owner | None:
    for follower in file.followers or ():
        if isinstance(follower, Owner):
            return follower
    return None


def need_owner(t: Task, file: File) -> Owner:
    owner = owner_of(file)
    if owner is None:
        owner = Owner(t.world, file)
        file.follow(owner)
    return owner


def set_owner(t: Task, file: File, kind: int, number: int) -> None:
    """F_SETOWN_EX with checked arguments."""
    owner = need_owner(t, file)
    owner.kind, owner.number = kind, number
    file.owner = -number if kind == F_OWNER_PGRP else number


def set_async(t: Task, fd: int, file: File, on: bool) -> None:
    """Set or clear O_ASYNC. ENOTTY for a file that cannot signal."""
    if on == bool(file.flags & O_ASYNC):
        return
    if not file.wait_queues():
        raise ENOTTY
    owner = need_owner(t, file)
    if on:
        file.flags |= O_ASYNC
        owner.watch(fd)
    else:
        file.flags &= ~O_ASYNC
        owner.unwatch()
