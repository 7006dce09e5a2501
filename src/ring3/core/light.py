"""Parts of the standard library without what makes them slow to import (0011).

``signal`` and ``socket`` turn their constants into enumerations; with ``collections`` and what all
of them import that takes as long as a third of the kernel. The C modules behind them have the same
functions, and plain ints. To a type checker these are the originals.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as signal
    import socket as socket
    from collections import OrderedDict as OrderedDict
    from collections import deque as deque
else:
    import _signal as signal
    import _socket as socket
    from _collections import OrderedDict, deque

__all__ = ["OrderedDict", "deque", "signal", "socket"]
