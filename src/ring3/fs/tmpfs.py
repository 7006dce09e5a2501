"""tmpfs: files in memory, limited in bytes and inodes."""

from __future__ import annotations

import os

from ring3.abi.errno import EINVAL, ENOSPC
from ring3.abi.fcntl import O_APPEND
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.mount import TMPFS_MAGIC
from ring3.core.hostos import memory_size
from ring3.fs.memfile import MemFile
from ring3.fs.meminode import MemDir
from ring3.fs.store import PAGE, Store
from ring3.vfs.mount import Filesystem, StatFs

if TYPE_CHECKING:
    from ring3.fs.fileinode import FileInode
    from ring3.fs.ownfile import OwnFile
    from ring3.vfs.file import File

MOST_IDLE = 256
"""Memfds of closed files that are kept before the oldest moves to the store."""
TIGHT_LIMIT = 256 << 20
"""Below this size limit, or with less than TIGHT_FREE left, writers are not bound: a bound
descriptor writes past any limit."""
TIGHT_FREE = 64 << 20


class TmpFs(Filesystem):
    """*limit*: bytes of content, None for a quarter of the host's memory. *inode_limit*: as
    nr_inodes=."""

    name = "tmpfs"
    magic = TMPFS_MAGIC

    def __init__(
        self,
        limit: int | None = None,
        mode: int = 0o1777,
        uid: int = 0,
        gid: int = 0,
        inode_limit: int | None = None,
        dev: int | None = None,
    ) -> None:
        super().__init__(dev)
        self.limit = limit
        self.inode_limit = inode_limit
        self.used = 0
        """Bytes of memory that content takes, as last seen."""
        self.unseen = 0
        """Bytes that may have been written since ``used`` was last brought up to date."""
        self.inodes = 0
        self.last_ino = 0
        self.store = Store()
        self.live: dict[MemFile, None] = {}
        """Open files: their memfd may change at any time."""
        self.idle: dict[MemFile, None] = {}
        """Closed files that keep a memfd, oldest first."""
        self.own_content = False
        """Files are the kernel's own, with no memfd behind them (``fs.ownfile``)."""
        self.set_root(self.new_dir(mode, uid, gid))

    @classmethod
    def from_options(cls, options: bytes) -> TmpFs:
        """A tmpfs as ``mount -t tmpfs -o OPTIONS`` makes it. EINVAL."""
        fs = cls(default_limit())
        fs.remount(options)
        return fs

    # --- inodes ------------------------------------------------------------------------------
    def new_ino(self) -> int:
        if self.inode_limit is not None and self.inodes >= self.inode_limit:
            raise ENOSPC(f"{self.name} is limited to {self.inode_limit} inodes")
        self.inodes += 1
        self.last_ino += 1
        return self.last_ino

    def new_file(self, mode: int, uid: int, gid: int) -> MemFile | OwnFile:
        if self.own_content:
            from ring3.fs.ownfile import OwnFile

            return OwnFile(self, self.new_ino(), mode, uid, gid)
        return MemFile(self, self.new_ino(), mode, uid, gid)

    def new_dir(self, mode: int, uid: int, gid: int) -> MemDir:
        return MemDir(self, self.new_ino(), mode, uid, gid)

    # --- space -------------------------------------------------------------------------------
    def recount(self) -> None:
        """Bring ``used`` up to date with what bound descriptors wrote."""
        self.unseen = 0
        for inode in self.live:
            inode.refresh()

    def is_tight(self) -> bool:
        limit = self.limit
        return limit is not None and (limit < TIGHT_LIMIT or limit - self.used < TIGHT_FREE)

    def room(self, inode: FileInode, file: File, offset: int | None, size: int) -> int:
        """How many of *size* bytes fit, written to *inode* at *offset* (None: the position)."""
        limit = self.limit
        if limit is None:
            # Content is the host's memory all the same: one call must not be able to take it all.
            limit = memory_size() // 4
        most = size + 2 * PAGE
        if self.used + self.unseen + most <= limit:
            self.unseen += most
            return size
        self.recount()
        free = (limit - self.used) // PAGE
        if offset is None:
            at_end = file.flags & O_APPEND
            offset = inode.size if at_end else file.seek(0, os.SEEK_CUR)
        if inode.missing(offset, offset + size) <= free:
            self.unseen += most
            return size
        # As many whole pages as there are, found by halving.
        low, high = 0, size
        while low < high:
            middle = (low + high + 1) // 2
            if inode.missing(offset, offset + middle) <= free:
                low = middle
            else:
                high = middle - 1
        self.unseen += low
        return low

    def now_idle(self, inode: MemFile) -> None:
        """*inode* is large and closed: keep its memfd for now."""
        self.live.pop(inode, None)
        self.idle[inode] = None
        if len(self.idle) > MOST_IDLE:
            oldest = next(iter(self.idle))
            del self.idle[oldest]
            oldest.move_to_store()

    def statfs(self) -> StatFs:
        self.recount()
        blocks = (self.limit or 0) // PAGE
        free = max(0, (self.limit or 0) - self.used) // PAGE
        files = self.inode_limit or 0
        return StatFs(
            self.magic, PAGE, blocks, free, None, files, max(0, files - self.inodes), 255, self.dev
        )

    # --- options -----------------------------------------------------------------------------
    def options(self) -> str:
        words = ""
        if self.limit is not None:
            words += f",size={self.limit // 1024}k"
        if self.inode_limit is not None:
            words += f",nr_inodes={self.inode_limit}"
        root = self.root.inode
        if root.mode & 0o7777 != 0o1777:
            words += f",mode={root.mode & 0o7777:o}"
        if root.uid:
            words += f",uid={root.uid}"
        if root.gid:
            words += f",gid={root.gid}"
        return words

    def remount(self, options: bytes) -> None:
        limit, inode_limit, attributes = self.limit, self.inode_limit, {}
        for word in filter(None, options.split(b",")):
            key, _, value = word.partition(b"=")
            try:
                if key == b"size":
                    limit = parse_size(value, percent_of=memory_size()) or None
                elif key == b"nr_blocks":
                    limit = parse_size(value) * PAGE or None
                elif key == b"nr_inodes":
                    inode_limit = parse_size(value) or None
                elif key in (b"mode", b"uid", b"gid"):
                    attributes[key.decode()] = int(value, 8 if key == b"mode" else 10)
                elif key not in (b"inode32", b"inode64", b"noswap", b"huge", b"mpol"):
                    raise ValueError
            except ValueError:
                raise EINVAL(f"tmpfs option {word.decode(errors='replace')}") from None
        if limit is not None and limit < self.used:
            raise EINVAL("the new size is below what is in use")
        self.limit, self.inode_limit = limit, inode_limit
        if attributes:
            self.root.inode.setattr(**attributes)

    def shutdown(self) -> None:
        for inode in [*self.idle, *self.live]:
            inode.close()
        self.store.close()


def parse_size(text: bytes, percent_of: int = 0) -> int:
    """A number with k, m, g or (of *percent_of*) %. ValueError."""
    suffix = text[-1:].lower()
    if suffix == b"%" and percent_of:
        return int(text[:-1]) * percent_of // 100
    scale = {b"k": 10, b"m": 20, b"g": 30, b"t": 40}.get(suffix)
    return int(text) if scale is None else int(text[:-1]) << scale


def default_limit() -> int:
    """Half of the memory, as Linux has it."""
    return memory_size() // 2
