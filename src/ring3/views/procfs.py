"""/proc."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring3.abi.mount import PROC_SUPER_MAGIC
from ring3.views.nodes import ViewDir, ViewFs

if TYPE_CHECKING:
    from ring3.task.world import World


class ProcFs(ViewFs):
    name = "proc"
    magic = PROC_SUPER_MAGIC

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.set_root(ViewDir(self, {}))
