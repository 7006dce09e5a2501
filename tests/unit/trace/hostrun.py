"""A program on the host's own Linux, with its system calls given to an observer by ptrace.

The tests compare what our tracer makes of a run with what strace prints of another run of the same
program. Address space randomisation is off in both, so that even pointers are equal.
"""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

from ring3.abi.errno import EFAULT
from ring3.abi.syscalls_i386 import NUMBERS as NUMBERS_I386
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.task.siginfo import SigInfo
from ring3.trace import kinds

NAMES = {
    "x86_64": {nr: name for name, nr in NUMBERS.items()},
    "i386": {nr: name for name, nr in NUMBERS_I386.items()},
}

TRACEME, CONT, SYSCALL, SETOPTIONS, GETEVENTMSG, GETSIGINFO, GETREGS = (
    0, 7, 24, 0x4200, 0x4201, 0x4202, 12,
)  # fmt: skip
EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_EXEC, EVENT_STOP = 1, 2, 3, 4, 128
OPTIONS = 1 | 2 | 4 | 8 | 16 | 0x100000
"""TRACESYSGOOD, FORK, VFORK, CLONE, EXEC, EXITKILL"""
ADDR_NO_RANDOMIZE = 0x0040000
WALL = 0x40000000
REGS = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs".split()

kinds.path_of = lambda cwd, root: cwd.path()  # type: ignore[assignment,attr-defined]
"""The tracer asks the kernel's own file tree where a task is; here the host knows."""

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request: int, pid: int, addr: int = 0, data: Any = 0) -> int:
    ctypes.set_errno(0)
    result: int = libc.ptrace(request, pid, addr, data)
    if result == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class HostMemory:
    """The memory of a traced process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.word = 64
        self.fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY)

    def load(self, addr: int, size: int) -> bytes:
        try:
            data = os.pread(self.fd, size, addr)
        except (OSError, OverflowError):
            raise EFAULT from None
        if len(data) < size:
            raise EFAULT
        return data

    def load_string(self, addr: int, limit: int) -> bytes | None:
        found = b""
        while len(found) < limit:
            room = min(limit - len(found), 4096 - (addr + len(found)) % 4096)
            found += self.load(addr + len(found), room)
            if b"\0" in found:
                return found.split(b"\0", 1)[0]
        return None


class HostFile:
    kind = "file"

    def __init__(self, path: str) -> None:
        self.path = path

    def target(self) -> bytes:
        return os.fsencode(os.readlink(self.path))


class HostFiles:
    def __init__(self, pid: int) -> None:
        self.pid = pid

    def get(self, number: int) -> HostFile | None:
        path = f"/proc/{self.pid}/fd/{number}"
        return HostFile(path) if os.path.lexists(path) else None


class Holder:
    """Something with attributes."""

    def __init__(self, **named: Any) -> None:
        self.__dict__.update(named)


class HostTask:
    """As much of a task as the tracer looks at."""

    def __init__(self, tid: int) -> None:
        self.tid = tid
        self.abi = "x86_64"
        self.memory = HostMemory(tid)
        self.fds = Holder(files=HostFiles(tid))
        self.fs = Holder(
            cwd=Holder(path=lambda: os.fsencode(os.readlink(f"/proc/{tid}/cwd"))), root=None
        )
        self.process = Holder(pid=tid, threads={tid: self})
        self.world = Holder(tasks={})
        self.entered = False
        self.stopped = False
        self.nr = -1
        self.args: tuple[int, ...] = ()
        self.attached = False

    @property
    def sigmask(self) -> int:
        with open(f"/proc/{self.tid}/status") as status:
            for line in status:
                if line.startswith("SigBlk:"):
                    return int(line.split()[1], 16)
        return 0


def signed(value: int) -> int:
    return (value ^ 1 << 63) - (1 << 63)


class HostRun:
    """Runs *argv* under ptrace and feeds *observer* until every process is gone."""

    def __init__(self, observer: Any, calls: dict[str, Any] | None = None) -> None:
        self.observer = observer
        self.calls = calls or {}
        self.tasks: dict[int, HostTask] = {}

    def run(self, argv: list[str], env: dict[str, str], cwd: str, stdout: int) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                os.chdir(cwd)
                os.dup2(stdout, 1)
                os.dup2(stdout, 2)
                null = os.open("/dev/null", os.O_RDONLY)
                os.dup2(null, 0)
                os.closerange(3, 256)
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                libc.personality(ADDR_NO_RANDOMIZE)
                ptrace(TRACEME, 0)
                os.kill(os.getpid(), signal.SIGSTOP)
                os.execve(argv[0], argv, env)
            finally:
                os._exit(127)
        os.waitpid(pid, WALL)
        ptrace(SETOPTIONS, pid, 0, OPTIONS)
        self.add(pid, None)
        self.skipped_execs = 1
        ptrace(SYSCALL, pid)
        first_status = 0
        while self.tasks:
            tid, status = os.waitpid(-1, WALL)
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                task = self.tasks.pop(tid, None)
                if task is not None:
                    if task.entered:
                        self.leave(task, None)
                    self.observer.exited(task, status)
                if tid == pid:
                    first_status = status
                continue
            self.stop(tid, status)
        return first_status

    def add(self, tid: int, parent: HostTask | None) -> HostTask:
        task = self.tasks.get(tid)
        if task is None:
            task = self.tasks[tid] = HostTask(tid)
        if (not task.attached and parent is not None) or (parent is None and len(self.tasks) == 1):
            task.attached = True
            self.observer.started(task, parent)
        return task

    def stop(self, tid: int, status: int) -> None:
        task = self.tasks.get(tid)
        signo, event = os.WSTOPSIG(status), status >> 16
        if task is None:  # a child's first stop may come before its parent's event
            task = self.tasks[tid] = HostTask(tid)
            task.stopped = True
            ptrace(SYSCALL, tid)
            return
        forward = 0
        if event in (EVENT_FORK, EVENT_VFORK, EVENT_CLONE):
            message = ctypes.c_ulong()
            ptrace(GETEVENTMSG, tid, 0, ctypes.addressof(message))
            self.add(message.value, task)
        elif event == EVENT_EXEC:
            task.memory = HostMemory(tid)
        elif signo == signal.SIGTRAP | 0x80:
            self.syscall_stop(task)
        elif event == 0 and signo == signal.SIGSTOP and not task.stopped and task.args == ():
            task.stopped = True  # attached with a stop
        elif event == 0 and signo != signal.SIGTRAP:
            data = ctypes.create_string_buffer(128)
            ptrace(GETSIGINFO, tid, 0, ctypes.addressof(data))
            self.observer.signal(task, SigInfo.unpack(data.raw, 64))
            forward = signo
        try:
            ptrace(SYSCALL, tid, 0, forward)
        except ProcessLookupError:
            pass

    def syscall_stop(self, task: HostTask) -> None:
        words = (ctypes.c_ulong * 27)()
        ptrace(GETREGS, task.tid, 0, ctypes.addressof(words))
        regs = dict(zip(REGS, words, strict=False))
        if task.entered:
            self.leave(task, signed(regs["rax"]))
            return
        task.entered = True
        task.nr = regs["orig_rax"]
        if regs["cs"] == 0x23:
            task.abi = "i386"
            task.args = tuple(regs[n] for n in ("rbx", "rcx", "rdx", "rsi", "rdi", "rbp"))
        else:
            task.abi = "x86_64"
            task.args = tuple(regs[n] for n in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))
        task.memory.word = 32 if task.abi == "i386" else 64
        name = NAMES[task.abi].get(task.nr, "")
        self.observer.enter(task, task.nr, name, self.calls.get(name), task.args)

    def leave(self, task: HostTask, result: int | None) -> None:
        task.entered = False
        name = NAMES[task.abi].get(task.nr, "")
        call = self.calls.get(name)
        if result is not None and task.abi == "i386":
            result = (result & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
        self.observer.exit(task, task.nr, name, call, task.args, result, "")
