"""What the kernel asks of a machine, whichever one runs the guest.

A *vehicle* is the CPU of one guest thread; an *address space* is shared by the vehicles of the
threads of a process. A machine either does what it is asked at once (the emulated one owns its
registers and page tables) or has to have the vehicle itself do it (the native one: only a host
thread can change its own memory map). Such operations return a :class:`Deferred`; a handler
returns it as its result and the gate lets the machine finish the call.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.abi.types import Memory
    from ring3.core.park import Park


class Deferred:
    """The result of a call that the machine completes.

    *then*, where given, is called (kernel locked) with the machine's result, an int in which
    -4095..-1 is a negated errno, and returns the call's result: an int, a further Deferred, or None
    where the call has been parked.
    """

    __slots__ = ("then",)

    def __init__(self, then: Callable[[int], Result | None] | None = None) -> None:
        self.then = then


Result = int | Deferred


class Binding(Protocol):
    """What a machine needs to know of an open file to let a vehicle use it without a trap."""

    bind_fd: int | None
    """Host descriptor whose read, write and lseek mean the same as the file's, or None."""
    placeholder: str
    """Where bind_fd is None: how host I/O on its number must fail: "badf", "dir" or "inval";
    "routed" if I/O on it has to reach the kernel."""


class FileMapping(Protocol):
    """What a machine that keeps file pages of its own (a page cache) wants to be told of a file.

    It hangs on ``FileContent.mapping``. The kernel calls it around its own I/O, so that mapped
    pages and read(2) and write(2) show the same bytes. All calls are made with the kernel locked.
    """

    def before_read(self, offset: int, size: int) -> None:
        """[offset, offset + size) of the content is about to be read: what stores through shared
        mappings changed there has to be in the content (``write_at``) first."""

    def after_write(self, offset: int, size: int) -> None:
        """That range of the content was changed (written, punched, zeroed, collapsed): pages of it
        are to show the new bytes. Pages that had been changed by a store and not written back were
        asked for with ``before_read`` before, so none of their bytes is lost."""

    def truncated(self, size: int) -> None:
        """The content's size is *size* now, larger or smaller: pages wholly beyond it go (SIGBUS
        for who touches them), and the rest of the last page reads as zeros."""

    def shared_writable(self) -> bool:
        """Some address space maps it shared and may store there (F_SEAL_WRITE is EBUSY then)."""

    def gone(self) -> None:
        """Nobody can reach the content any more: give its pages back without writing them."""


class FileContent(Protocol):
    """Bytes that can be mapped: the inode of a regular file, a System V segment.

    ``File.map_content`` gives it. A machine puts its FileMapping into ``mapping`` at the first use
    and None there when it keeps no page of the content any more. ``read_at`` and ``write_at`` lie
    below the mapping: they never call it, and they move no file position and no notification.
    """

    mapping: FileMapping | None

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to *size* bytes; fewer at the end, b"" behind it. Holes read as zeros. EIO."""

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of *data*, which lies inside the content's present size. ENOSPC, EIO."""

    def content_size(self) -> int:
        """In bytes, at this moment."""

    def stamp(self) -> object:
        """Equal to an earlier stamp exactly if nothing but the kernel's own calls (which tell the
        mapping) has changed the content since: who keeps pages unmapped looks here first."""


class Segment:
    """Part of an executable to be mapped: *memsz* bytes at *vaddr*, the first *filesz* from the
    file: ``file.map_fd`` is its host descriptor (native), ``file.map_content`` its content."""

    __slots__ = ("file", "filesz", "memsz", "offset", "prot", "vaddr")

    def __init__(
        self, file: Any, offset: int, vaddr: int, filesz: int, memsz: int, prot: int
    ) -> None:
        self.file = file
        self.offset = offset
        self.vaddr = vaddr
        self.filesz = filesz
        self.memsz = memsz
        self.prot = prot


class Image:
    """A program ready to start: what exec hands to the machine once nothing can fail any more."""

    __slots__ = (
        "abi",
        "build_stack",
        "entry",
        "loaded",
        "name",
        "segments",
        "stack_prot",
        "stack_size",
    )

    def __init__(
        self,
        abi: str,
        segments: list[Segment],
        entry: int,
        stack_size: int,
        stack_prot: int,
        build_stack: Callable[[int, int], tuple[int, bytes]],
        name: str = "",
    ) -> None:
        self.abi = abi
        self.segments = segments
        self.entry = entry
        self.stack_size = stack_size
        self.stack_prot = stack_prot
        self.build_stack = build_stack
        """(stack top, vDSO base or 0) -> (stack pointer, bytes from there to the top)."""
        self.name = name
        self.loaded: Callable[[], None] | None = None
        """Called once the machine needs the segments' files no more."""


class CloneArgs:
    """clone(2) reduced to what concerns the machine."""

    __slots__ = ("child_tid", "flags", "parent_tid", "stack", "tls")

    def __init__(self, flags: int, stack: int, parent_tid: int, child_tid: int, tls: int) -> None:
        self.flags = flags
        self.stack = stack
        """The child's stack pointer, or 0 to keep the parent's."""
        self.parent_tid = parent_tid
        self.child_tid = child_tid
        self.tls = tls


class Registers:
    """A vehicle's user registers, by their x86-64 names (i386 uses the low halves)."""

    NAMES = (
        "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip", "eflags",
    )  # fmt: skip
    __slots__ = NAMES
    r8: int
    r9: int
    r10: int
    r11: int
    r12: int
    r13: int
    r14: int
    r15: int
    rdi: int
    rsi: int
    rbp: int
    rbx: int
    rdx: int
    rax: int
    rcx: int
    rsp: int
    rip: int
    eflags: int

    def __init__(self, values: Sequence[int]) -> None:
        for name, value in zip(self.NAMES, values, strict=True):
            setattr(self, name, value)


class UserContext(Protocol):
    """A vehicle stopped on its way back to user mode: its registers may be read and changed."""

    regs: Registers
    call_nr: int
    """Number of the system call being returned from (Linux's orig_rax), or -1. Its result is in
    ``regs.rax`` and ``regs.rip`` lies behind the trapping instruction."""

    def load_fpstate(self) -> bytes:
        """The FPU, SSE and extended state as a signal frame holds it (FXSAVE or XSAVE format with
        the software bytes filled in); b"" if there is none."""

    def store_fpstate(self, data: bytes) -> None:
        """Replace that state. b"" resets it to the initial one."""


class Fault:
    """An exception the CPU raised in user code, as the signal it becomes."""

    __slots__ = ("address", "code", "error", "signo", "trapno")

    def __init__(
        self, signo: int, code: int, address: int, trapno: int = 0, error: int = 0
    ) -> None:
        self.signo = signo
        self.code = code
        self.address = address
        self.trapno = trapno
        self.error = error


class AddressSpace(Protocol):
    """The memory of one process (or of several that share it)."""

    memory: Memory
    brk_start: int

    def map(
        self,
        vehicle: Vehicle,
        addr: int,
        length: int,
        prot: int,
        flags: int,
        file: Any,
        offset: int,
    ) -> Result:
        """mmap with checked arguments. *file* is None for anonymous memory."""

    def unmap(self, vehicle: Vehicle, addr: int, length: int) -> Result: ...
    def protect(self, vehicle: Vehicle, addr: int, length: int, prot: int) -> Result: ...
    def remap(
        self, vehicle: Vehicle, old: int, old_size: int, new_size: int, flags: int, new: int
    ) -> Result: ...
    def set_brk(self, vehicle: Vehicle, addr: int) -> Result: ...
    def advise(self, vehicle: Vehicle, nr: int, args: Sequence[int]) -> Result:
        """madvise, msync, mincore, mlock and kin: calls on the caller's own memory."""

    def areas(self) -> list[Area]:
        """The mapped areas in address order."""

    # A machine with pages of its own also has what /proc shows of them: statm() -> its seven
    # numbers in pages, status() -> {"VmSize": kB, ...}, smaps(area) -> {"Rss": kB, ...}.


class Area:
    """One line of /proc/PID/maps."""

    __slots__ = ("content", "device", "end", "inode", "name", "offset", "prot", "shared", "start")

    def __init__(
        self, start: int, end: int, prot: str, shared: bool, offset: int, inode: int, name: bytes
    ) -> None:
        self.start = start
        self.end = end
        self.prot = prot
        self.shared = shared
        self.offset = offset
        self.inode = inode
        self.name = name
        self.device = b""
        """major:minor, as the machine's host has it."""
        self.content: object = None
        """Of a machine with pages of its own: what is mapped there, the same object for all who
        share those pages (a futex in shared memory is known by it and its offset)."""


class Vehicle(Protocol):
    """The CPU of one guest thread."""

    space: AddressSpace

    def user_registers(self) -> tuple[str, dict[str, int]]:
        """Of a vehicle in a call: a word for the way it came, and those of its user registers that
        the machine knows, by name. For showing only. OSError, EFAULT."""

    def clone(self, args: CloneArgs, child: Any, then: Callable[[int], Result | None]) -> Result:
        """Start *child* (the kernel's task object). *then* gets 0 or a negated errno; the machine
        sets the child's ``vehicle``, ``space`` and ``memory`` before its first trap."""

    def exec(self, image: Image, then: Callable[[int], Result | None]) -> Result:
        """Replace the program and every other thread of the process. *then* is called with 0 at
        the point of no return, or with a negated errno when nothing has changed."""

    def host_call(self, nr: int, args: Sequence[int]) -> Result:
        """Have the machine perform call *nr* in the vehicle. Only for calls whose arguments are
        registers, or pointers to data that no check depended on (the guest can change it)."""

    def slow_return(self, result: int, edit: Callable[[UserContext], None] | None = None) -> Result:
        """Finish the call with *result* by way of the full user context: *edit* may change it,
        then ``Supervisor.user_return`` delivers signals, and the vehicle goes on from there."""

    def resume(self) -> None:
        """Let a vehicle that ``user_return`` held back (stopped process) try again."""

    def interrupt(self) -> None:
        """Make the vehicle enter the kernel soon (``user_return``): a signal is pending."""

    def exit_thread(self, status: int, wakes: Sequence[int] = ()) -> Result:
        """End this vehicle alone, after a call to exit(2). *wakes*: shared futexes that the kernel
        has changed; one waiter of each is to be woken."""

    def exit_group(self, status: int, wakes: Sequence[int] = ()) -> Result:
        """End all vehicles of the process, after a call to exit_group(2)."""

    def kill(self) -> None:
        """End all vehicles of the process at once, whatever they do."""

    def set_limit(self, which: int, soft: int, hard: int) -> None:
        """RLIMIT_* *which* of the process is *soft* now: enforce what the kernel cannot see."""

    def set_thread_area(self, area: int) -> int:
        """set_thread_area(2) of an i386 thread: *area* is a struct user_desc in its memory."""

    def get_thread_area(self, area: int) -> int: ...
    def permit_ports(self, first: int, count: int, allow: bool) -> int:
        """ioperm(2) with checked arguments. EPERM where a guest cannot have ports."""

    def set_iopl(self, level: int) -> int: ...


class Unborn:
    """Stands for the vehicle of a task that has none yet: nothing to interrupt or to end. The
    machine looks at the process's state when it brings the vehicle."""

    def interrupt(self) -> None: ...
    def resume(self) -> None: ...
    def kill(self) -> None: ...
    def set_limit(self, which: int, soft: int, hard: int) -> None: ...
    def cpu_ns(self) -> tuple[int, int]:
        return 0, 0

    def process_cpu_ns(self) -> int:
        return 0


class Supervisor(Protocol):
    """What a machine asks of the kernel. All methods are called with the kernel locked."""

    def serve(self, task: Any, nr: int, args: Sequence[int]) -> Result | None:
        """Serve one system call. None: there is no result yet (parked or held)."""

    def complete(self, task: Any, result: int) -> Result | None:
        """The machine has finished a Deferred with *result* (after its ``then``)."""

    def user_return(self, task: Any, context: UserContext) -> bool:
        """The vehicle is about to return to user mode. False: do not resume it now."""

    def fault(self, task: Any, fault: Fault, context: UserContext) -> bool:
        """The CPU raised *fault*; afterwards as ``user_return``."""

    def process_gone(self, process: Any, status: int, rusage: Any) -> None:
        """The last vehicle of *process* is gone. *status* is the host's wait status."""

    def vehicle_lost(self, task: Any, signo: int) -> None:
        """The vehicle of *task* cannot go on and will be killed: its process dies of *signo*."""

    def park(self, task: Any, park: Park) -> Result | None:
        """Leave *task*'s call waiting (for a ``then`` that has to)."""

    def drain(self) -> None:
        """Run the calls of woken tasks and hand their results to the machine."""


class Machine(Protocol):
    """A board with vehicles on it."""

    name: str
    can_bind: bool
    abis: tuple[str, ...]
    """The system call interfaces whose programs it can run."""
    signal_stack: int
    """Bytes of a signal frame at least (AT_MINSIGSTKSZ); 0: as the host has it."""

    def start(self, image: Image, task: Any) -> None:
        """Give *task* (a fresh process) a vehicle that starts *image*."""

    def reply(self, task: Any, result: Result) -> None:
        """Finish a call whose ``serve`` had given None."""
