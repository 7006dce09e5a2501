"""Names of unix sockets: in the file tree, and abstract ones.

A name in the file tree is an inode whose ``socket`` attribute leads to the socket; handlers do the
path walks.
"""

from __future__ import annotations

from ring3.abi.errno import EADDRINUSE, EINVAL, EPROTOTYPE
from ring3.abi.hints import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Any

AUTOBIND_NAMES: Final = 1 << 20


class Named:
    """The name of a unix socket, and where it is found under it."""

    __slots__ = ("inode", "name")

    def __init__(self, name: bytes = b"", inode: Any = None) -> None:
        self.name = name
        """b"" (none), a leading NUL and an abstract name, or the path bind(2) was given."""
        self.inode = inode
        """The socket inode of a path."""


NO_NAME: Final = Named()


def check_bind(sock: Any) -> None:
    """EINVAL if *sock* has a name already."""
    if sock.named is not NO_NAME:
        raise EINVAL("the socket is bound")


def bind_abstract(sock: Any, name: bytes) -> None:
    """Give *sock* the abstract *name* (leading NUL included). EADDRINUSE."""
    if name in sock.net.abstract:
        raise EADDRINUSE
    sock.net.abstract[name] = sock
    sock.named = Named(name)


def autobind(sock: Any) -> None:
    """Give *sock* an unused abstract name of five hexadecimal digits, unless it has a name."""
    if sock.named is not NO_NAME:
        return
    net = sock.net
    for _ in range(AUTOBIND_NAMES):
        net.last_autobind = (net.last_autobind + 1) % AUTOBIND_NAMES
        name = b"\0%05x" % net.last_autobind
        if name not in net.abstract:
            bind_abstract(sock, name)
            return
    raise EADDRINUSE("all automatic names are taken")


def bind_inode(sock: Any, path: bytes, inode: Any) -> None:
    """Attach *sock* to the fresh socket *inode* that was made at *path*."""
    inode.socket = sock
    sock.named = Named(path, inode)


def unname(sock: Any) -> None:
    """The socket is gone: nobody finds it any more. Its path stays, as on Linux."""
    named = sock.named
    if named.inode is not None:
        if named.inode.socket is sock:
            named.inode.socket = None
    elif named.name and sock.net.abstract.get(named.name) is sock:
        del sock.net.abstract[named.name]


def check_type(sock: Any, other: Any) -> None:
    if sock.type != other.type:
        raise EPROTOTYPE("the socket there is of another type")
