"""Parts of the standard library without what makes them slow to import (0011).

``signal`` turns its constants into enumerations; with ``collections`` and what both of them import
that takes as long as a quarter of the kernel. The C modules behind them have the same functions,
and plain ints. To a type checker these are the originals. (``light_socket``: the same for sockets.)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as signal
    from collections import OrderedDict as OrderedDict
    from collections import deque as deque
else:
    import _signal as signal
    from _collections import OrderedDict, deque

__all__ = ["OrderedDict", "deque", "signal"]
