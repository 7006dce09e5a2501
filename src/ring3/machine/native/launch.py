"""Starting the first vehicle: a host process that boots the shim and installs the filter.

The zygote stays behind as the parent image of every program: a fork of it is a freshly booted
shim. It must be started by the thread that serves traps, because PR_SET_PDEATHSIG follows the
thread that made the process.
"""

from __future__ import annotations

import fcntl
import os
import resource
import struct
import sys

from ring3.abi.hints import Final
from ring3.core.light_socket import socket
from ring3.machine.native import filter as seccomp_filter

NEW_LISTENER: Final = 8
WAIT_KILLABLE_RECV: Final = 32
SET_FLAGS: Final = 0x40082104
SYNC_WAKE_UP: Final = 1

EINVAL: Final = 22


class CannotStart(OSError):
    """This host does not let guests run natively; the message says why."""


class Zygote:
    """What ``launch`` returns: the process and the listener of its filter."""

    __slots__ = ("killable", "listener", "pid", "sync")

    def __init__(self, pid: int, listener: int, killable: bool, sync: bool) -> None:
        self.pid = pid
        self.listener = listener
        self.killable = killable
        """Whether a call once received cannot be taken back by a signal (Linux 5.19)."""
        self.sync = sync
        """Whether the host hands traps over without a detour through the scheduler (6.6)."""


def shim_image() -> int:
    """A descriptor of the shim's executable in memory."""
    path = os.path.join(os.path.dirname(__file__), "shim.elf")
    try:
        with open(path, "rb") as source:
            code = source.read()
    except FileNotFoundError:
        raise CannotStart(
            "the shim is not built: run `make build` in the source tree, or install a wheel"
        ) from None
    low = os.memfd_create("ring3", os.MFD_CLOEXEC)
    os.write(low, code)
    # Out of the way of 3 and 4, where the child gets its pipe and socket before it execs this.
    fd = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(low)
    return fd


def launch(profile: str) -> Zygote:
    """Start a zygote with the filter of *profile*. Raises CannotStart."""
    for flags in (NEW_LISTENER | WAIT_KILLABLE_RECV, NEW_LISTENER):
        found = attempt(profile, flags)
        if isinstance(found, Zygote):
            return found
        if found != EINVAL:
            raise CannotStart(found, f"seccomp user notification: {os.strerror(found)}")
    raise CannotStart(EINVAL, "this kernel has no seccomp user notification (Linux 5.9 is needed)")


def attempt(profile: str, flags: int) -> Zygote | int:
    """One try; the errno of the host's seccomp(2) if it refused."""
    image = shim_image()
    program_r, program_w = os.pipe2(os.O_CLOEXEC)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    # Out of the way of 3 and 4, where the shim wants them.
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (program_r, theirs.fileno())]
    try:
        actions = [(os.POSIX_SPAWN_DUP2, fd, 3 + i) for i, fd in enumerate(high)]
        pid = os.posix_spawn(
            f"/proc/self/fd/{image}", ["ring3", "boot"], {}, file_actions=actions, setsid=True
        )
        for fd in high:
            os.close(fd)
        high = []
        theirs.close()
        program = seccomp_filter.build(profile)
        os.write(program_w, struct.pack("<qq", flags, len(program)) + program)
        ours.settimeout(20)
        answer = ours.recv(8)
        if len(answer) < 8:
            os.waitpid(pid, 0)
            raise CannotStart("the shim died while it booted")
        installed = struct.unpack("<q", answer)[0]
        if installed < 0:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            return -int(installed)
        os.write(program_w, answer)  # to the helper, which sends us the listener
        _data, messages, _flags, _addr = ours.recvmsg(8, socket.CMSG_LEN(4))
        if not messages:
            raise CannotStart("the shim did not hand over the listener")
        listener = int.from_bytes(messages[0][2], sys.byteorder)
        os.set_inheritable(listener, False)
        raise_limits(pid)
        sync = sync_wake_up(listener)
        ours.send(b"go")
        return Zygote(pid, listener, bool(flags & WAIT_KILLABLE_RECV), sync)
    finally:
        ours.close()
        theirs.close()
        os.close(image)
        os.close(program_r)
        os.close(program_w)
        for fd in high:
            os.close(fd)


def raise_limits(pid: int) -> None:
    """Vehicles may hold as many descriptors as the host allows: the guest's limit is the kernel's
    affair. They never dump core: the kernel reports fatal signals itself."""
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def sync_wake_up(listener: int) -> bool:
    try:
        fcntl.ioctl(listener, SET_FLAGS, SYNC_WAKE_UP)
    except OSError:
        return False
    return True
