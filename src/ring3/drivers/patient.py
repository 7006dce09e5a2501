"""A pipe of the caller's as output of a world with a seed: how fast its reader is does not show.

A guest that found the pipe full would wait, in the host's time, and another run would not be the
same. So the whole world stands still until the bytes are gone; no virtual time passes meanwhile.
"""

from __future__ import annotations

import os
import select

from ring3.abi.errno import EPIPE
from ring3.abi.poll import POLLERR, POLLOUT, POLLWRNORM
from ring3.ipc.hostfile import host_error
from ring3.ipc.hostpipe import HostPipeEnd


class PatientPipe(HostPipeEnd):
    """The writing end of a host pipe."""

    __slots__ = ()

    def write(self, data: bytes) -> int:
        done = 0
        while done < len(data):
            try:
                select.select([], [self.fd], [])
                done += os.write(self.fd, data[done : done + select.PIPE_BUF])
            except BrokenPipeError:
                raise EPIPE from None
            except BlockingIOError:
                continue
            except OSError as error:
                raise host_error(error) from None
        return done

    def poll(self) -> int:
        return POLLOUT | POLLWRNORM | super().poll() & POLLERR
