"""One small socket API over two kernels: the host's (the oracle) and ring3's.

A scenario is a function that takes a world, makes calls through it, and returns what it saw. Both
worlds must give the same. Nothing waits: every socket is non-blocking unless a test of ring3 alone
says otherwise, and failed calls give the errno's name.
"""

from __future__ import annotations

import errno
import os
import select
import socket as pysocket
import struct
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ring3.abi.errno import Errno
from ring3.fs.tmpfs import TmpFs
from ring3.task.task import Task
from ring3.vfs.context import FsContext
from ring3.vfs.mount import Mount
from ring3.vfs.path import Place
from tests.unit import fakes

S = pysocket
NONBLOCK, CLOEXEC = S.SOCK_NONBLOCK, S.SOCK_CLOEXEC
Address = Any
Controls = Sequence[tuple[int, int, bytes]]


def pack_address(family: int, address: Address) -> bytes:
    """The sockaddr of an address in Python's form; bytes in a 1-tuple are taken as they are."""
    if isinstance(address, tuple) and len(address) == 1:
        return address[0]
    if family == S.AF_UNIX:
        name = os.fsencode(address)
        return struct.pack("<H", family) + name + (b"" if name[:1] in (b"\0", b"") else b"\0")
    ip, port = address
    if family == S.AF_INET:
        return struct.pack("<H", family) + struct.pack(">H4s8x", port, S.inet_aton(ip))
    text = S.inet_pton(S.AF_INET6, ip)
    return struct.pack("<H", family) + struct.pack(">HI16s", port, 0, text) + bytes(4)


def unpack_address(raw: bytes) -> Address:
    if len(raw) < 2:
        return None
    family = int.from_bytes(raw[:2], "little")
    if family == S.AF_UNIX:
        name = raw[2:]
        return name if name[:1] == b"\0" else name.rstrip(b"\0").decode()
    if family == S.AF_INET:
        return S.inet_ntoa(raw[4:8]), int.from_bytes(raw[2:4], "big")
    if family == S.AF_INET6:
        return S.inet_ntop(S.AF_INET6, raw[8:24]), int.from_bytes(raw[2:4], "big")
    return raw


class World:
    """Common to both: calls by number-free names, results as values or errno names."""

    name: ClassVar[str]

    def syscall(self, name: str, *args: Any) -> Any:
        """The result. Buffers in *args*: bytes are given, bytearrays filled."""
        raise NotImplementedError

    def close(self, fd: int) -> None:
        raise NotImplementedError

    def poll(self, fd: int) -> int:
        raise NotImplementedError

    # --- calls in the shape of Python's socket module ---------------------------------------------
    def socket(self, family: int, kind: int, protocol: int = 0) -> Any:
        return self.syscall("socket", family, kind | NONBLOCK, protocol)

    def pair(self, kind: int) -> tuple[int, int]:
        room = bytearray(8)
        got = self.syscall("socketpair", S.AF_UNIX, kind | NONBLOCK, 0, room)
        assert got == 0, got
        return struct.unpack("ii", room)  # type: ignore[return-value]

    def bind(self, fd: int, family: int, address: Address) -> Any:
        raw = pack_address(family, address)
        return self.syscall("bind", fd, raw, len(raw))

    def connect(self, fd: int, family: int, address: Address) -> Any:
        raw = pack_address(family, address)
        return self.syscall("connect", fd, raw, len(raw))

    def address(self, call: str, fd: int) -> Any:
        raw, length = bytearray(128), bytearray(struct.pack("i", 128))
        got = self.syscall(call, fd, raw, length)
        return got if isinstance(got, str) else unpack_address(bytes(raw[: length[0]]))

    def sockname(self, fd: int) -> Any:
        return self.address("getsockname", fd)

    def peername(self, fd: int) -> Any:
        return self.address("getpeername", fd)

    def accept(self, fd: int) -> Any:
        raw, length = bytearray(128), bytearray(struct.pack("i", 128))
        got = self.syscall("accept4", fd, raw, length, NONBLOCK)
        return got if isinstance(got, str) else (got, unpack_address(bytes(raw[: length[0]])))

    def send(self, fd: int, data: bytes, flags: int = 0) -> Any:
        return self.syscall("sendto", fd, data, len(data), flags | S.MSG_NOSIGNAL, None, 0)

    def sendto(self, fd: int, data: bytes, family: int, address: Address, flags: int = 0) -> Any:
        raw = pack_address(family, address)
        flags |= S.MSG_NOSIGNAL
        return self.syscall("sendto", fd, data, len(data), flags, raw, len(raw))

    def recv(self, fd: int, size: int, flags: int = 0) -> Any:
        room = bytearray(size)
        got = self.syscall("recvfrom", fd, room, size, flags, None, None)
        return got if isinstance(got, str) else bytes(room[: min(got, size)])

    def recvfrom(self, fd: int, size: int, flags: int = 0) -> Any:
        room, raw, length = bytearray(size), bytearray(128), bytearray(struct.pack("i", 128))
        got = self.syscall("recvfrom", fd, room, size, flags, raw, length)
        if isinstance(got, str):
            return got
        return got, bytes(room[: min(got, size)]), unpack_address(bytes(raw[: length[0]]))

    def getopt(self, fd: int, level: int, name: int, size: int = 4) -> Any:
        room, length = bytearray(size), bytearray(struct.pack("i", size))
        got = self.syscall("getsockopt", fd, level, name, room, length)
        if isinstance(got, str):
            return got
        return bytes(room[: struct.unpack("i", length)[0]])

    def getint(self, fd: int, level: int, name: int) -> Any:
        got = self.getopt(fd, level, name)
        return got if isinstance(got, str) else int.from_bytes(got, "little", signed=True)

    def setopt(self, fd: int, level: int, name: int, value: int | bytes) -> Any:
        data = struct.pack("i", value) if isinstance(value, int) else value
        return self.syscall("setsockopt", fd, level, name, data, len(data))

    def sendmsg(self, fd: int, parts: list[bytes], controls: Controls = ()) -> Any:
        raise NotImplementedError

    def recvmsg(self, fd: int, size: int, room: int, flags: int = 0) -> Any:
        """(data, [(level, type, content)], flags)"""
        raise NotImplementedError


class Host(World):
    """The kernel this test runs on."""

    name = "host"

    def __init__(self) -> None:
        import ctypes

        self.ctypes = ctypes
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fds: set[int] = set()

    def syscall(self, name: str, *args: Any) -> Any:
        ctypes = self.ctypes
        converted = []
        for arg in args:
            if isinstance(arg, bytes):
                converted.append(ctypes.create_string_buffer(arg, max(len(arg), 1)))
            elif isinstance(arg, bytearray):
                room = arg or bytearray(1)
                converted.append((ctypes.c_char * len(room)).from_buffer(room))
            elif arg is None:
                converted.append(ctypes.c_void_p(None))
            else:
                converted.append(ctypes.c_long(arg))
        function = getattr(self.libc, name)
        function.restype = ctypes.c_long
        result = function(*converted)
        result = ctypes.c_int(result).value
        if result < 0:
            return errno.errorcode[ctypes.get_errno()].replace("ENOTSUP", "EOPNOTSUPP")
        if name in ("socket", "accept4", "accept"):
            self.fds.add(result)
        elif name == "socketpair":
            self.fds.update(struct.unpack("ii", args[3]))
        return result

    def close(self, fd: int) -> None:
        self.fds.discard(fd)
        os.close(fd)

    def poll(self, fd: int) -> int:
        poller = select.poll()
        poller.register(fd, 0x3FFF)
        found = poller.poll(0)
        return found[0][1] if found else 0

    def python(self, fd: int) -> S.socket:
        return S.socket(fileno=os.dup(fd))

    def sendmsg(self, fd: int, parts: list[bytes], controls: Controls = ()) -> Any:
        with self.python(fd) as sock:
            try:
                return sock.sendmsg(parts, controls, S.MSG_NOSIGNAL)
            except OSError as error:
                return errno.errorcode[error.errno or 0].replace("ENOTSUP", "EOPNOTSUPP")

    def recvmsg(self, fd: int, size: int, room: int, flags: int = 0) -> Any:
        with self.python(fd) as sock:
            try:
                data, controls, came, _address = sock.recvmsg(size, room, flags)
            except OSError as error:
                return errno.errorcode[error.errno or 0].replace("ENOTSUP", "EOPNOTSUPP")
        for level, kind, content in controls:
            if (level, kind) == (S.SOL_SOCKET, S.SCM_RIGHTS):
                self.fds.update(struct.unpack(f"{len(content) // 4}i", content))
        return data, controls, came & ~S.MSG_CMSG_CLOEXEC

    def pass_time(self) -> None:
        """Nothing: the host's kernel acts by itself."""

    def done(self) -> None:
        for fd in list(self.fds):
            self.close(fd)


class Guest(World):
    """ring3's kernel, with one task and a tmpfs as its root."""

    name = "ring3"

    def __init__(self, word: int = 64, own: bool = False) -> None:
        """*own*: on a machine that cannot bind, so that nothing of the host is underneath."""
        import ring3.syscalls.message
        import ring3.syscalls.socket
        import ring3.syscalls.sockets
        import ring3.syscalls.sockopt

        assert ring3.syscalls.message and ring3.syscalls.sockopt
        self.kitchen = fakes.Kitchen(can_bind=not own, word=word)
        self.task = self.make_task()
        self.network = ring3.syscalls.sockets.network(self.task)
        with open("/proc/sys/net/core/wmem_max") as limit:
            self.network.max_buffer = int(limit.read())

    def make_task(self) -> Task:
        task = self.kitchen.task()
        mount = Mount(TmpFs())
        root = Place(mount, mount.root)
        task.fs = FsContext(root, root)
        return task

    def syscall(self, name: str, *args: Any) -> Any:
        got = self.start(name, *args)
        assert got != fakes.PARKED, f"{name} waits"
        return got

    def start(self, name: str, *args: Any, task: Task | None = None) -> Any:
        """As ``syscall``; PARKED where the call waits."""
        memory = self.kitchen.memory
        memory.next = memory.base  # every call has the memory to itself
        filled: list[tuple[bytearray, int]] = []
        numbers = []
        for arg in args:
            if isinstance(arg, (bytes, bytearray)):
                at = memory.room(max(len(arg), 1), bytes(arg))
                if isinstance(arg, bytearray):
                    filled.append((arg, at))
                numbers.append(at)
            else:
                numbers.append(arg or 0)
        try:
            got = fakes.start(task or self.task, name, *numbers)
        except Errno as failed:
            return type(failed).__name__ if type(failed).__name__ != "WouldBlock" else "EAGAIN"
        for room, at in filled:
            room[:] = memory.get(at, len(room))
        return got

    def close(self, fd: int) -> None:
        self.task.fds.close(fd)
        self.pass_time()

    def poll(self, fd: int) -> int:
        return self.task.fds.files[fd].poll()

    def pass_time(self) -> None:
        for _ in range(3):
            self.kitchen.turn()

    def header(self, iov: list[tuple[int, int]], control: int, room: int) -> int:
        memory = self.kitchen.memory
        vector = memory.room(16 * len(iov), b"".join(struct.pack("<QQ", *span) for span in iov))
        packed = struct.pack("<QI4xQQQQI4x", 0, 0, vector, len(iov), control, room, 0)
        return memory.room(len(packed), packed)

    def sendmsg(self, fd: int, parts: list[bytes], controls: Controls = ()) -> Any:
        memory = self.kitchen.memory
        memory.next = memory.base
        iov = [(memory.room(max(1, len(part)), part), len(part)) for part in parts]
        text = b""
        for level, kind, content in controls:
            text += struct.pack("<Qii", 16 + len(content), level, kind) + content
            text += bytes(-len(text) % 8)
        at = self.header(iov, memory.room(max(1, len(text)), text), len(text))
        return self.numbers("sendmsg", fd, at, S.MSG_NOSIGNAL)

    def numbers(self, name: str, *args: int) -> Any:
        try:
            got = fakes.start(self.task, name, *args)
        except Errno as failed:
            return type(failed).__name__
        assert got != fakes.PARKED, f"{name} waits"
        return got

    def recvmsg(self, fd: int, size: int, room: int, flags: int = 0) -> Any:
        memory = self.kitchen.memory
        memory.next = memory.base
        data, control = memory.room(max(size, 1)), memory.room(max(room, 1))
        at = self.header([(data, size)], control, room)
        got = self.numbers("recvmsg", fd, at, flags)
        if isinstance(got, str):
            return got
        *_rest, used, came = memory.ints(at, "QI4xQQQQI")
        text, controls = memory.get(control, used), []
        while len(text) >= 16:
            length, level, kind = struct.unpack_from("<Qii", text)
            controls.append((level, kind, text[16:length]))
            text = text[(length + 7) & ~7 :]
        return memory.get(data, min(got, size)), controls, came & ~S.MSG_CMSG_CLOEXEC

    def done(self) -> None:
        for task in self.kitchen.world.tasks.values():
            if task.fds.users:
                task.fds.release()
        self.network.close()
        self.kitchen.close()


Scenario = Callable[[Any], Any]


def run(world: Any, scenario: Scenario) -> Any:
    try:
        return scenario(world)
    finally:
        world.done()


def same(scenario: Scenario) -> Any:
    """Run *scenario* in both worlds; what ring3 gives must be what the host gives."""
    expected = run(Host(), scenario)
    for own in (True, False):
        got = run(Guest(own=own), scenario)
        assert got == expected, f"ring3: {got}\nhost:  {expected}\nown: {own}"
    return got
