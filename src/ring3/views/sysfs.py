"""/sys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring3.abi.mount import SYSFS_MAGIC
from ring3.views.nodes import ViewDir, ViewFs

if TYPE_CHECKING:
    from ring3.task.world import World


class SysFs(ViewFs):
    name = "sysfs"
    magic = SYSFS_MAGIC
    blksize = 4096
    file_size = 4096

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.set_root(ViewDir(self, {}))
