"""What travels beside the data of a message: open files, credentials, facts about a datagram."""

from __future__ import annotations

import struct

from ring3.abi.capability import CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, CAP_SYS_RESOURCE
from ring3.abi.errno import EBADF, EFAULT, EINVAL, EMFILE, EPERM, ESRCH, ETOOMANYREFS
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    IP_PKTINFO,
    IP_TOS,
    IP_TTL,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPV6_DONTFRAG,
    IPV6_HOPLIMIT,
    IPV6_PKTINFO,
    IPV6_TCLASS,
    MSG_CMSG_CLOEXEC,
    SCM_CREDENTIALS,
    SCM_RIGHTS,
    SO_MARK,
    SO_PASSCRED,
    SO_PRIORITY,
    SO_TIMESTAMP_NEW,
    SO_TIMESTAMP_OLD,
    SO_TIMESTAMPNS_NEW,
    SO_TIMESTAMPNS_OLD,
    SOCK_DGRAM,
    SOL_SOCKET,
)
from ring3.net.cargo import Cargo, Message, Ucred
from ring3.net.control import ControlWriter
from ring3.net.control import split as split_controls
from ring3.net.socket import Socket
from ring3.syscalls.sockets import ucred

if TYPE_CHECKING:
    from ring3.task.task import Task
    from ring3.vfs.file import File

MOST_FILES: Final = 253
"""SCM_MAX_FD."""
SOCKET_FACTS: Final = (SCM_RIGHTS, SCM_CREDENTIALS, SO_MARK, SO_PRIORITY)
"""Control messages of SOL_SOCKET that internet sockets take, though nothing comes of them."""
IP_FACTS: Final = {
    (IPPROTO_IP, IP_PKTINFO): (12, 0, 0),
    (IPPROTO_IP, IP_TTL): (4, 1, 255),
    (IPPROTO_IP, IP_TOS): (1, 0, 255),
    (IPPROTO_IPV6, IPV6_PKTINFO): (20, 0, 0),
    (IPPROTO_IPV6, IPV6_HOPLIMIT): (4, -1, 255),
    (IPPROTO_IPV6, IPV6_TCLASS): (4, -1, 255),
    (IPPROTO_IPV6, IPV6_DONTFRAG): (4, 0, 1),
}
"""(least length, lowest value, highest value) of what may be said of one datagram."""
UCRED: Final = struct.Struct("<iII")
STAMPS: Final = (
    (SO_TIMESTAMP_OLD, 1000, False),
    (SO_TIMESTAMPNS_OLD, 1, False),
    (SO_TIMESTAMP_NEW, 1000, True),
    (SO_TIMESTAMPNS_NEW, 1, True),
)
"""(option and message type, nanoseconds of its fraction's unit, 64 bits on i386 too)."""


def load_cargo(t: Task, sock: Socket, control: bytes) -> Cargo | None:
    """What the control messages of a send say. EINVAL, EBADF, EPERM, ESRCH, ETOOMANYREFS."""
    if sock.domain in (AF_INET, AF_INET6):
        return load_facts(t, sock, control) if control else None
    files: list[File] = []
    cred = ucred(t) if sock.domain == AF_UNIX else None
    rights = 0
    for level, kind, content in split_controls(control, t.memory.word) if control else ():
        if level != SOL_SOCKET or cred is None:
            continue
        if kind == SCM_RIGHTS:
            files += load_files(t, content)
            rights += len(content) // 4
            if rights > MOST_FILES:
                raise EINVAL("too many files in one message")
        elif kind == SCM_CREDENTIALS:
            cred = load_cred(t, content, cred)
        else:
            raise EINVAL(f"control message {kind}")
    if cred is None:
        return None
    if files:
        check_in_flight(t, sock, cred)
    return Cargo(sock.net, tuple(files), cred)


def load_facts(t: Task, sock: Socket, control: bytes) -> Cargo:
    """Control messages of TCP and UDP. Those of IP have a say in the one message they are with.

    EINVAL, in the order of __sock_cmsg_send, ip_cmsg_send and ip6_datagram_send_ctl.
    """
    cargo = Cargo(sock.net)
    datagram = sock.type == SOCK_DGRAM
    for level, kind, content in split_controls(control, t.memory.word):
        if level == SOL_SOCKET:
            if kind not in SOCKET_FACTS:
                raise EINVAL(f"control message {kind}")
        elif datagram and level in (IPPROTO_IP, IPPROTO_IPV6):
            least, low, high = IP_FACTS.get((level, kind), (0, 0, 0))
            if not least or len(content) < least:
                raise EINVAL(f"control message {kind}")
            if low < high:
                value = int.from_bytes(content[:4], "little", signed=len(content) >= 4)
                if not low <= value <= high:
                    raise EINVAL(f"{low} to {high}")
                if value >= 0:
                    cargo.facts[level, kind] = value
    return cargo


def load_files(t: Task, content: bytes) -> list[File]:
    """The open files whose descriptors *content* has. EBADF."""
    found = []
    for (fd,) in struct.iter_unpack("<i", content[: len(content) & ~3]):
        file = t.fds.files.get(fd)
        if file is None:
            raise EBADF
        found.append(file)
    return found


def check_in_flight(t: Task, sock: Socket, cred: Ucred) -> None:
    """ETOOMANYREFS if the sender has more files under way than it may have open."""
    if sock.net.in_flight.get(cred.uid, 0) > t.fds.limit and not (
        t.cred.capable(CAP_SYS_RESOURCE) or t.cred.capable(CAP_SYS_ADMIN)
    ):
        raise ETOOMANYREFS


def load_cred(t: Task, content: bytes, own: Ucred) -> Ucred:
    """Credentials the caller claims to have (scm_check_creds)."""
    if len(content) != UCRED.size:
        raise EINVAL("struct ucred")
    pid, uid, gid = UCRED.unpack(content)
    cred = t.cred
    if not (
        (pid == own.pid or cred.capable(CAP_SYS_ADMIN))
        and (uid in (cred.uid, cred.euid, cred.suid) or cred.capable(CAP_SETUID))
        and (gid in (cred.gid, cred.egid, cred.sgid) or cred.capable(CAP_SETGID))
    ):
        raise EPERM("credentials of somebody else")
    if pid != own.pid and pid not in t.world.processes:
        raise ESRCH
    return Ucred(pid, uid, gid, own.groups)


def store_controls(
    t: Task, sock: Socket, message: Message, addr: int, room: int, flags: int
) -> tuple[int, bool]:
    """Store what came beside *message*: (bytes stored, whether something did not fit).

    Descriptors are published here; what is left of the cargo is dropped.
    """
    word = t.memory.word
    writer = ControlWriter(room if addr else 0, word)
    write_stamps(sock, message, writer)
    for level, kind, content in message.controls:
        writer.add(level, kind, content)
    cargo = message.cargo
    if cargo is None:
        return flush(t, addr, writer), writer.truncated
    try:
        if sock.options.get((SOL_SOCKET, SO_PASSCRED)):
            cred = cargo.cred or Ucred(0)
            writer.add(SOL_SOCKET, SCM_CREDENTIALS, UCRED.pack(cred.pid, cred.uid, cred.gid))
        if not cargo.files:
            return flush(t, addr, writer), writer.truncated
        return store_files(t, cargo.files, addr, writer, bool(flags & MSG_CMSG_CLOEXEC))
    finally:
        message.drop()


def flush(t: Task, addr: int, writer: ControlWriter) -> int:
    """Store the control messages; how many bytes they are. Nothing is said of a bad buffer."""
    if not writer.data:
        return 0
    try:
        t.memory.store(addr, writer.data)
    except EFAULT:
        writer.truncated = True
        return 0
    return len(writer.data)


def store_files(
    t: Task, files: tuple[File, ...], addr: int, writer: ControlWriter, cloexec: bool
) -> tuple[int, bool]:
    """SCM_RIGHTS: as many of *files* as there is room and there are descriptors for."""
    numbers: list[int] = []
    held = []
    try:
        for _file in files[: writer.room_for_files()]:
            try:
                held.append(t.fds.reserve())
            except EMFILE:
                break
            numbers.append(held[-1].numbers[0])
        if numbers:
            writer.add(SOL_SOCKET, SCM_RIGHTS, struct.pack(f"<{len(numbers)}i", *numbers))
        stored = flush(t, addr, writer)
        if stored:
            t.fds.publish(dict(zip(numbers, files, strict=False)), cloexec=cloexec)
        return stored, writer.truncated or len(numbers) < len(files)
    finally:
        for reservation in held:
            reservation.__exit__(None, None, None)


def write_stamps(sock: Socket, message: Message, writer: ControlWriter) -> None:
    """SO_TIMESTAMP and kin."""
    if not message.stamp_ns:
        return
    for kind, unit_ns, wide in STAMPS:
        if sock.options.get((SOL_SOCKET, kind)):
            form = "<qq" if wide or writer.word == 64 else "<ii"
            seconds, ns = divmod(message.stamp_ns, 1_000_000_000)
            writer.add(SOL_SOCKET, kind, struct.pack(form, seconds, ns // unit_ns))
