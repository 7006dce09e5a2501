"""The host's side of a connection: pairs of AF_UNIX sockets, used without ever blocking.

A guest connection is a pair of host sockets with nothing but the guest's bytes in it, so that the
native machine can lay an end under the guest's number. What travels beside the bytes (open files,
credentials) is the kernel's; a *token*, a host file that the message carries by SCM_RIGHTS, marks
the place in the stream. The host thereby keeps the order, ends a receive at the right byte, and
drops the token where a plain read(2) would have dropped the files.
"""

from __future__ import annotations

import _socket
import os
import struct

from ring3.abi.errno import EMFILE, ENFILE, Errno, from_os_error
from ring3.abi.hints import Final
from ring3.abi.socket import MSG_CMSG_CLOEXEC, MSG_DONTWAIT, MSG_EOR, MSG_NOSIGNAL, MSG_OOB

HostSocket = _socket.socket

MOST: Final = 1 << 20
"""Bytes one receive takes at most; a host socket holds less."""
SENDABLE: Final = MSG_OOB | MSG_EOR
"""Flags of a send that the host is to see."""
TOKEN_SPACE: Final = _socket.CMSG_SPACE(4)
FD: Final = struct.Struct("i")


def failed(error: OSError) -> Errno:
    """A host error as the guest's. The kernel's own lack of descriptors is ENFILE to it."""
    found = from_os_error(error)
    return ENFILE("the kernel has no host descriptors left") if type(found) is EMFILE else found


def make(type_: int) -> HostSocket:
    """An unconnected host socket."""
    try:
        return HostSocket(_socket.AF_UNIX, type_)
    except OSError as error:
        raise failed(error) from None


def pair(type_: int) -> tuple[HostSocket, HostSocket]:
    try:
        return _socket.socketpair(_socket.AF_UNIX, type_)
    except OSError as error:
        raise failed(error) from None


class Rendezvous:
    """Makes a pair of two host sockets that are not born as one.

    The client's end keeps its identity (descriptors of it are already laid in vehicles), so
    socketpair(2) does not do. A listening socket of our own whose name is removed at once serves:
    only this process reaches it, through its /proc/self/fd.
    """

    def __init__(self, type_: int) -> None:
        self.listener = make(type_)
        self.handle = -1
        for base in (os.environ.get("TMPDIR", ""), "/tmp", "/var/tmp", "/dev/shm"):
            if base and self.name_in(base):
                break
        else:
            # No directory to write in. An abstract name of the host's choice: others could
            # connect to it, which ``join`` finds out and refuses.
            self.listener.bind(b"")
        self.listener.listen(8)

    def name_in(self, base: str) -> bool:
        """Bind the listener below *base* and remove the name. False if that is not possible."""
        home = os.path.join(base, f"ring3-{os.urandom(12).hex()}")
        try:
            os.mkdir(home, 0o700)
        except OSError:
            return False
        try:
            # By descriptor: a path of any length fits in a socket address that way.
            directory = os.open(home, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self.listener.bind(f"/proc/self/fd/{directory}/s")
                self.handle = os.open("s", os.O_PATH | os.O_CLOEXEC, dir_fd=directory)
                os.unlink("s", dir_fd=directory)
            finally:
                os.close(directory)
        except OSError:
            return False
        finally:
            os.rmdir(home)
        return True

    def address(self) -> str | bytes:
        if self.handle >= 0:
            return f"/proc/self/fd/{self.handle}"
        return self.listener.getsockname()  # type: ignore[no-any-return]

    def join(self, client: HostSocket) -> HostSocket:
        """Connect *client*; return the other end."""
        try:
            client.connect(self.address())
            while True:
                fd, _name = self.listener._accept()  # type: ignore[attr-defined]
                other = HostSocket(fileno=fd)
                peer = other.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
                if FD.unpack_from(peer)[0] == os.getpid():
                    return other
                other.close()  # a stranger
        except OSError as error:
            raise failed(error) from None

    def close(self) -> None:
        self.listener.close()
        if self.handle >= 0:
            os.close(self.handle)


def send(host: HostSocket, data: bytes, flags: int, token: int = 0) -> int:
    """Send what goes at once. BlockingIOError (nothing goes), or an errno of ours."""
    flags |= MSG_DONTWAIT | MSG_NOSIGNAL
    try:
        if not token:
            return host.send(data, flags)
        fd = mint(token)
        try:
            rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, FD.pack(fd))
            return host.sendmsg([data], [rights], flags)
        finally:
            os.close(fd)
    except BlockingIOError:
        raise
    except OSError as error:
        raise failed(error) from None


def receive(host: HostSocket, size: int, flags: int) -> tuple[bytes, int, int]:
    """(data, token number or 0, MSG_* flags). BlockingIOError, or an errno of ours."""
    try:
        data, controls, came, _name = host.recvmsg(
            min(size, MOST), TOKEN_SPACE, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC
        )
    except BlockingIOError:
        raise
    except OSError as error:
        raise failed(error) from None
    token = 0
    for _level, _type, content in controls:
        for (fd,) in FD.iter_unpack(content[: len(content) & ~3]):
            token = os.fstat(fd).st_size
            os.close(fd)
    return data, token, came


def mint(token: int) -> int:
    """A host file that carries the number *token*, as its size."""
    try:
        fd = os.memfd_create("ring3-token", os.MFD_CLOEXEC)
    except OSError as error:
        raise failed(error) from None
    os.ftruncate(fd, token)
    return fd


def peek(host: HostSocket) -> bytes | None:
    """The next byte; b"" at the end of the stream or after an error, None if there is none yet."""
    try:
        return host.recv(1, MSG_DONTWAIT | _socket.MSG_PEEK)
    except BlockingIOError:
        return None
    except OSError:
        return b""
