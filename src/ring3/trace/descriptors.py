"""What -y and -yy show behind a descriptor: its path, device or socket."""

from __future__ import annotations

from ring3.abi import socket as so
from ring3.abi.errno import Errno
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.stat import S_IFBLK, S_IFCHR, S_IFMT
from ring3.trace.text import quote
from ring3.vfs.path import path_of

if TYPE_CHECKING:
    from ring3.trace.frame import Frame

DELETED = b" (deleted)"


def link_of(x: Frame, file: Any) -> bytes:
    """What readlink(2) of /proc/PID/fd/N shows."""
    place = getattr(file, "place", None)
    if place is None or place.mount.fs.nameless:
        return bytes(file.target())
    return path_of(place, x.task.fs.root)


def described(x: Frame, file: Any) -> str:
    """``</path>``, with -yy ``</dev/null<char 1:3>>`` or ``<TCP:[127.0.0.1:1->127.0.0.1:2]>``."""
    hexes = x.style.hexes
    if x.style.fds > 1 and file.kind == "socket":
        shown = socket_text(x, file)
        if shown:
            return f"<{shown}>"
    link = link_of(x, file)
    shown = escape(link.removesuffix(DELETED), hexes)
    if x.style.fds > 1:
        shown += device_text(file)
    return f"<{shown}>(deleted)" if link.endswith(DELETED) else f"<{shown}>"


def escape(name: bytes, hexes: int) -> str:
    return quote(name, hexes)[1:-1].replace("<", "\\74").replace(">", "\\76")


def device_text(file: Any) -> str:
    """``<char 1:3>`` of a device's file."""
    place = getattr(file, "place", None)
    if place is None or place.mount.fs.nameless:
        return ""
    inode = place.dentry.inode
    kind = {S_IFCHR: "char", S_IFBLK: "block"}.get(inode.mode & S_IFMT)
    if kind is None:
        return ""
    rdev = inode.rdev
    return f"<{kind} {rdev >> 8 & 0xFFF}:{rdev & 0xFF | rdev >> 12 & 0xFFF00}>"


# --- sockets --------------------------------------------------------------------------------------
PROTOCOLS = {
    (so.AF_INET, so.SOCK_STREAM): "TCP",
    (so.AF_INET, so.SOCK_DGRAM): "UDP",
    (so.AF_INET, so.SOCK_RAW): "RAW",
    (so.AF_INET6, so.SOCK_STREAM): "TCPv6",
    (so.AF_INET6, so.SOCK_DGRAM): "UDPv6",
    (so.AF_INET6, so.SOCK_RAW): "RAWv6",
}
UNIX_TYPES = {so.SOCK_STREAM: "UNIX-STREAM", so.SOCK_SEQPACKET: "UNIX-SEQPACKET"}


def socket_text(x: Frame, file: Any) -> str:
    """``TCP:[local->peer]``, ``UNIX-STREAM:[inode,"path"]``, ``NETLINK:[inode]``."""
    if file.domain == so.AF_UNIX:
        return unix_text(x, file)
    if file.domain == so.AF_NETLINK:
        return f"NETLINK:[{file.ino}]"
    name = PROTOCOLS.get((file.domain, file.type))
    if name is None:
        return ""
    local, peer = endpoint(file.getsockname), endpoint(file.getpeername)
    if not local:
        return f"{name}:[{file.ino}]"
    return f"{name}:[{local}->{peer}]" if peer else f"{name}:[{local}]"


def endpoint(name_of: Any) -> str:
    """``127.0.0.1:80`` of a struct sockaddr, or nothing where there is no port yet."""
    from ring3.core.light_socket import socket

    try:
        data = name_of()
    except Errno:
        return ""
    port = int.from_bytes(data[2:4], "big")
    if not port:
        return ""
    if int.from_bytes(data[:2], "little") == so.AF_INET:
        return f"{socket.inet_ntoa(data[4:8])}:{port}"
    return f"[{socket.inet_ntop(so.AF_INET6, data[8:24])}]:{port}"


def unix_text(x: Frame, file: Any) -> str:
    peer = getattr(file, "peer", None)
    other = getattr(peer, "ino", 0)
    who = f"{file.ino}->{other}" if other else str(file.ino)
    try:
        name = file.getsockname()[2:]
    except Errno:
        name = b""
    if name[:1] == b"\0":
        who += f",@{quote(name[1:], x.style.hexes)}" if len(name) > 1 else ""
    elif name:
        who += f",{quote(name.split(bytes(1), 1)[0], x.style.hexes)}"
    return f"{UNIX_TYPES.get(file.type, 'UNIX')}:[{who}]"
