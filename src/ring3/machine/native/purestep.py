"""Python forms of the primitives in ``_trap.c`` (see ``step.py``); about 1 us slower a trap."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct

from ring3.abi.errno import EFAULT

NOTIF = struct.Struct("<QIIiIQ6Q")
RESP = struct.Struct("<QQiI")
USER_END = 1 << 47
RECV, SEND = 0xC0502100, 0xC0182101

libc = ctypes.CDLL(None, use_errno=True)


class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


for name in ("process_vm_readv", "process_vm_writev"):
    function = getattr(libc, name)
    vec = ctypes.POINTER(IoVec)
    function.argtypes = [ctypes.c_int, vec, ctypes.c_ulong, vec, ctypes.c_ulong, ctypes.c_ulong]
    function.restype = ctypes.c_ssize_t


def send(listener: int, id_: int, value: int, error: int, flags: int) -> bool:
    """Reply to notification *id_*; tell whether its target was still waiting."""
    try:
        fcntl.ioctl(listener, SEND, RESP.pack(id_, value & (1 << 64) - 1, error, flags))
    except OSError:
        return False
    return True


def step(listener: int, id_: int, value: int) -> tuple[int, int, int, int, tuple[int, ...]]:
    """Reply (unless *id_* is 0), then wait for the next trap: (id, tid, nr, ip, arguments)."""
    if id_:
        failed = -4096 < value < 0
        send(listener, id_, 0 if failed else value, value if failed else 0, 0)
    request = bytearray(NOTIF.size)  # the kernel insists on zeros
    fcntl.ioctl(listener, RECV, request, True)
    got = NOTIF.unpack(request)
    return got[0], got[1], got[3], got[5], got[6:]


def tgkill(pid: int, tid: int, signo: int) -> None:
    libc.syscall(234, pid, tid, signo)


def transfer(call: str, pid: int, address: int, buffer: object, size: int) -> int:
    local = IoVec(ctypes.addressof(buffer), size)  # type: ignore[arg-type]
    remote = IoVec(address & (1 << 64) - 1, size)
    moved: int = getattr(libc, call)(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    if moved < 0:
        failed = ctypes.get_errno()
        if failed in (errno.EFAULT, errno.ESRCH, errno.EIO):
            return -1
        raise OSError(failed, os.strerror(failed))
    return moved


def load(pid: int, address: int, size: int) -> bytes:
    if size <= 0:
        if size:
            raise ValueError(f"load of {size} bytes")
        return b""
    if size > USER_END:
        raise EFAULT
    buffer = (ctypes.c_char * size)()
    if transfer("process_vm_readv", pid, address, buffer, size) != size:
        raise EFAULT
    return buffer.raw


def store(pid: int, address: int, data: bytes | bytearray | memoryview) -> None:
    size = len(data)
    if not size:
        return
    buffer = (ctypes.c_char * size).from_buffer_copy(data)
    if transfer("process_vm_writev", pid, address, buffer, size) != size:
        raise EFAULT


def load_string(pid: int, address: int, limit: int) -> bytes | None:
    text = b""
    while len(text) < limit:
        at = address + len(text)
        chunk = min(4096 - at % 4096, limit - len(text), 4096 if text else 256)
        text += load(pid, at, chunk)
        end = text.find(b"\0")
        if end >= 0:
            return text[:end]
    return None
