"""The caller's own descriptors as a guest's standard streams."""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING

from ring3.ipc.hostfile import HostStream

if TYPE_CHECKING:
    from ring3.task.world import World
    from ring3.vfs.file import File


def open_host(world: World, host_fd: int) -> File:
    """An open file description of the guest over the caller's descriptor *host_fd*: the same host
    description, so offsets and readiness are shared as with a forked child."""
    fd = fcntl.fcntl(host_fd, fcntl.F_DUPFD_CLOEXEC, 3)
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    kind = stat.S_IFMT(os.fstat(fd).st_mode)
    del kind
    return HostStream(world.reactor, fd, flags)
