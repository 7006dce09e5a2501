"""F_NOTIFY: a signal when something happens in a directory. Source: fs/notify/dnotify/."""

from __future__ import annotations

from ring3.abi.errno import ENOTDIR
from ring3.abi.fcntl import (
    DN_ACCESS,
    DN_ATTRIB,
    DN_CREATE,
    DN_DELETE,
    DN_MODIFY,
    DN_MULTISHOT,
    DN_RENAME,
    F_OWNER_PID,
)
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.inotify import (
    IN_ACCESS,
    IN_ATTRIB,
    IN_CREATE,
    IN_DELETE,
    IN_MODIFY,
    IN_MOVED_FROM,
    IN_MOVED_TO,
)
from ring3.abi.poll import POLLIN, POLLMSG, POLLRDNORM
from ring3.abi.signal import POLL_MSG
from ring3.syscalls.inotify import unbind_all
from ring3.syscalls.sigio import need_owner, set_owner
from ring3.vfs import notify

if TYPE_CHECKING:
    from ring3.syscalls.sigio import Owner
    from ring3.task.task import Task
    from ring3.vfs.file import File

MEANINGS: Final = (
    (DN_ACCESS, IN_ACCESS),
    (DN_MODIFY, IN_MODIFY),
    (DN_CREATE, IN_CREATE | IN_MOVED_TO),
    (DN_DELETE, IN_DELETE | IN_MOVED_FROM),
    (DN_RENAME, IN_MOVED_FROM),
    (DN_ATTRIB, IN_ATTRIB),
)


class DirectoryWatch:
    """What one open description of a directory is watched for."""

    __slots__ = ("file", "mask", "multishot", "owner")

    def __init__(self, file: File, owner: Owner) -> None:
        self.file = file
        self.owner = owner
        self.mask = 0
        self.multishot = False

    def event(self, mask: int, cookie: int, name: bytes) -> None:
        if not name:
            return  # the directory itself: only its entries count
        self.owner.send(POLL_MSG, POLLIN | POLLRDNORM | POLLMSG)
        if not self.multishot:
            self.gone()

    def gone(self) -> None:
        """The watch ends."""
        notify.remove(self.file.inode, self)
        self.file.unfollow(self)

    def file_gone(self, file: File) -> None:
        self.gone()


def watch_directory(t: Task, fd: int, file: File, arg: int) -> int:
    """Add the DN_* events of *arg* to those that *file* is watched for; 0 ends the watch."""
    if file.kind != "dir":
        raise ENOTDIR
    found = None
    for follower in file.followers or ():
        if isinstance(follower, DirectoryWatch):
            found = follower
    wanted = 0
    for bit, events in MEANINGS:
        if arg & bit:
            wanted |= events
    if not wanted:
        if found is not None:
            found.gone()
        return 0
    owner = need_owner(t, file)
    set_owner(t, file, F_OWNER_PID, t.process.pid)
    owner.fd = fd
    if found is None:
        found = DirectoryWatch(file, owner)
        file.follow(found)
        notify.add(file.inode, found)
    found.mask |= wanted
    found.multishot = found.multishot or bool(arg & DN_MULTISHOT)
    if found.mask & notify.DATA:
        unbind_all(file.inode)
    return 0
