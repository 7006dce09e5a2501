"""What the three kinds of System V objects share: numbers, keys, permissions.

Source: ipc/util.c, sysvipc(7). An id is a table index and a sequence number, so that an old id
does not name a new object.
"""

from __future__ import annotations

from ring3.abi.capability import CAP_IPC_OWNER, CAP_SYS_ADMIN
from ring3.abi.errno import EACCES, EEXIST, EIDRM, EINVAL, ENOENT, ENOSPC, EPERM
from ring3.abi.hints import TYPE_CHECKING, Generic, TypeVar
from ring3.abi.ipc import IPC_CREAT, IPC_EXCL, IPC_PRIVATE

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from typing import Protocol

    class IpcCred(Protocol):
        """Credentials, as far as System V objects look at them."""

        @property
        def euid(self) -> int: ...
        @property
        def egid(self) -> int: ...
        @property
        def groups(self) -> Container[int]: ...
        def capable(self, cap: int) -> bool: ...


INDEX_BITS = 15
SEQUENCES = 0xFFFF
S_IRUGO, S_IWUGO, S_IXUGO = 0o444, 0o222, 0o111


class IpcObject:
    """Base of queues, semaphore sets and segments: struct kern_ipc_perm."""

    def __init__(self, key: int, mode: int, cred: IpcCred) -> None:
        self.id = -1
        self.seq = 0
        self.key = key
        self.mode = mode & 0o777
        self.uid = self.cuid = cred.euid
        self.gid = self.cgid = cred.egid
        self.ctime = 0
        self.removed = False

    def allows(self, cred: IpcCred, wanted: int) -> bool:
        """Whether *cred* has the permission bits of *wanted* (any of its three groups counts)."""
        asked = (wanted >> 6 | wanted >> 3 | wanted) & 7
        granted = self.mode
        if cred.euid in (self.cuid, self.uid):
            granted >>= 6
        elif {self.cgid, self.gid} & {cred.egid} or any(
            g in cred.groups for g in (self.cgid, self.gid)
        ):
            granted >>= 3
        return not asked & ~granted or cred.capable(CAP_IPC_OWNER)

    def check(self, cred: IpcCred, wanted: int) -> None:
        """EACCES unless ``allows``."""
        if not self.allows(cred, wanted):
            raise EACCES

    def check_owner(self, cred: IpcCred) -> None:
        """EPERM unless *cred* may change or remove the object."""
        if cred.euid not in (self.cuid, self.uid) and not cred.capable(CAP_SYS_ADMIN):
            raise EPERM("neither owner nor creator")

    def gone(self) -> None:
        """The object was removed: wake whoever waits for it."""


T = TypeVar("T", bound=IpcObject)


class IpcTable(Generic[T]):
    """All objects of one kind."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.objects: dict[int, T] = {}
        """By table index."""
        self.keys: dict[int, T] = {}
        self.sequence = 0
        self.last_index = -1

    def get(
        self,
        key: int,
        flags: int,
        cred: IpcCred,
        make: Callable[[], T],
        fits: Callable[[T], None],
    ) -> T:
        """The object of *key*, made by *make* if there is none and IPC_CREAT is set.

        *fits* raises EINVAL for an existing object that is not as asked for.
        """
        if key == IPC_PRIVATE:
            return self.enter(make())
        found = self.keys.get(key)
        if found is None:
            if not flags & IPC_CREAT:
                raise ENOENT
            made = self.enter(make())
            self.keys[key] = made
            return made
        if flags & IPC_CREAT and flags & IPC_EXCL:
            raise EEXIST
        fits(found)
        found.check(cred, flags)
        return found

    def enter(self, made: T) -> T:
        """Give *made* an id. ENOSPC."""
        if len(self.objects) >= self.most:
            raise ENOSPC(f"{self.most} objects are the limit")
        index = self.free_index()
        if index <= self.last_index:
            self.sequence = (self.sequence + 1) % SEQUENCES
        self.last_index = index
        self.objects[index] = made
        made.seq = self.sequence
        made.id = self.sequence << INDEX_BITS | index
        return made

    def free_index(self) -> int:
        """The next index that is free, counting on from the last one given."""
        limit = 1 << INDEX_BITS
        for step in range(1, limit + 1):
            index = (self.last_index + step) % limit
            if index not in self.objects:
                return index
        raise ENOSPC

    def find(self, ident: int) -> T:
        """The object with id *ident*. EINVAL; EIDRM if the id is an old one."""
        if ident < 0:
            raise EINVAL("negative id")
        found = self.objects.get(ident & ((1 << INDEX_BITS) - 1))
        if found is None:
            raise EINVAL("no such id")
        if found.id != ident:
            raise EIDRM
        return found

    def at(self, index: int) -> T:
        """The object at table *index* (the ..._STAT commands). EINVAL."""
        found = self.objects.get(index & ((1 << INDEX_BITS) - 1)) if index >= 0 else None
        if found is None:
            raise EINVAL("no such index")
        return found

    def remove(self, obj: T) -> None:
        """IPC_RMID."""
        index = obj.id & ((1 << INDEX_BITS) - 1)
        if self.objects.get(index) is obj:
            del self.objects[index]
        self.forget_key(obj)
        obj.removed = True
        obj.gone()

    def forget_key(self, obj: T) -> None:
        if self.keys.get(obj.key) is obj:
            del self.keys[obj.key]

    def highest(self) -> int:
        """The highest index in use, 0 if there is none (the result of ..._INFO)."""
        return max(self.objects, default=0)
