"""``ring3 run --verify``: run a program twice and show that both runs were the same.

At every entry into the kernel from user mode the thread's registers are hashed: all of pt_regs, the
segment bases and the SSE registers, with the virtual time. The second run has to give the same
hashes in the same order; the first that differs is named.
"""

from __future__ import annotations

import _thread
import os
import stat
import zlib
from array import array

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.cli.guest import GuestOptions, run_guest, say

if TYPE_CHECKING:
    from ring3.kernel import Kernel

DIFFERENT = 125
NO_CALL = -1


class Fingerprint:
    """What one run looked like: a row of numbers for each trap."""

    def __init__(self) -> None:
        self.hashes = array("Q")
        self.where = array("Q")
        """tid << 32 | port << 16 | call number (0xFFFF: none), for each trap."""
        self.rips = array("Q")
        self.times = array("Q")

    def watch(self, kernel: Kernel) -> None:
        machine: Any = kernel.machine
        cpu, ram, clock = machine.engine.cpu, machine.ram, machine.clock
        image, xmm = cpu.b, cpu.at.xmm

        def on_trap(v: Any, port: int) -> None:
            frame = ram[v.frame_pa : v.stack.top_pa]
            bases = cpu.fs_base ^ cpu.kernel_gs_base << 1
            found = zlib.crc32(image[xmm : xmm + 64 * 16], zlib.crc32(frame))
            now = clock.monotonic_ns()
            self.hashes.append((found << 32 ^ bases ^ now) & (1 << 64) - 1)
            nr = int.from_bytes(frame[120:124], "little") & 0xFFFF
            self.where.append(v.task.tid << 32 | port << 16 | nr)
            self.rips.append(int.from_bytes(frame[128:136], "little"))
            self.times.append(now)

        machine.traps.on_trap = on_trap

    def first_difference(self, other: Fingerprint) -> int | None:
        if self.hashes == other.hashes and self.where == other.where:
            return None
        least = min(len(self.hashes), len(other.hashes))
        for at in range(least):
            if self.hashes[at] != other.hashes[at] or self.where[at] != other.where[at]:
                return at
        return least

    def describe(self, at: int) -> str:
        if at >= len(self.hashes):
            return f"had ended after {len(self.hashes)} traps"
        from ring3.abi.syscalls_x86_64 import NUMBERS
        from ring3.machine.emulated.layout import (
            PORT_CALL_GATE,
            PORT_EXCEPTION,
            PORT_INT80,
            PORT_IRQ,
            PORT_SYSENTER,
        )

        word = self.where[at]
        port, nr = word >> 16 & 0xFFFF, word & 0xFFFF
        kinds = {PORT_EXCEPTION: "an exception", PORT_IRQ: "an interrupt"}
        narrow = {PORT_SYSENTER, PORT_INT80, PORT_CALL_GATE}
        what = kinds.get(port)
        if what is None:
            names = {number: name for name, number in NUMBERS.items()}
            what = f"call {nr}" if port in narrow else names.get(nr, f"call {nr}")
        return (
            f"thread {word >> 32}: {what} at {self.rips[at]:#x}, {self.times[at] / 1e6:.6f} ms,"
            f" registers {self.hashes[at]:016x}"
        )


def run_twice(options: GuestOptions, argv: list[str]) -> int:
    """Run *argv*, then again without showing its output; the first run's wait status, or that of
    exit 125 if the runs differed."""
    if options.seed is None:
        options.seed = 0
    first, second = Fingerprint(), Fingerprint()
    stdin = os.dup(0)
    try:
        status = with_stdin(stdin, options, argv, first)
        kept = os.dup(1), os.dup(2)
        one = sink_like(1)
        sinks = one, one if same_file(1, 2) else sink_like(2)
        for number, sink in zip((1, 2), sinks, strict=True):
            os.dup2(sink, number)
        for sink in set(sinks):
            os.close(sink)
        try:
            with_stdin(stdin, options, argv, second)
        finally:
            for number, fd in zip((1, 2), kept, strict=True):
                os.dup2(fd, number)
                os.close(fd)
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)
    at = first.first_difference(second)
    if at is None:
        say(f"verified: {len(first.hashes)} traps, the same registers at each in both runs")
        return status
    say(f"the runs differ at trap {at + 1}")
    say(f"  first run:  {first.describe(at)}")
    say(f"  second run: {second.describe(at)}")
    return DIFFERENT << 8


def same_file(one: int, other: int) -> bool:
    a, b = os.fstat(one), os.fstat(other)
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


def sink_like(fd: int) -> int:
    """A descriptor of the same kind as *fd*, what is written to which nobody sees: programs look
    at what they write to (a terminal, a file, a pipe) and behave accordingly."""
    kind = stat.S_IFMT(os.fstat(fd).st_mode)
    if kind == stat.S_IFREG:
        import tempfile

        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    if kind == stat.S_IFIFO:
        reader, sink = os.pipe()
    elif os.isatty(fd):
        reader, sink = terminal_like(fd)
    else:
        return os.open(os.devnull, os.O_RDWR)
    _thread.start_new_thread(drain, (reader,))
    return sink


def terminal_like(fd: int) -> tuple[int, int]:
    """A pseudo-terminal of *fd*'s settings and size: (master, slave)."""
    import fcntl
    import pty
    import termios

    master, slave = pty.openpty()
    termios.tcsetattr(slave, termios.TCSANOW, termios.tcgetattr(fd))
    fcntl.ioctl(slave, termios.TIOCSWINSZ, fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
    return master, slave


def drain(fd: int) -> None:
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        pass  # a terminal's master, when its slave is closed
    os.close(fd)


def with_stdin(
    stdin: int, options: GuestOptions, argv: list[str], fingerprint: Fingerprint
) -> int:
    """One run. A regular file as standard input is read from its start each time; of anything
    else there is only one, so the guest gets an empty one."""
    try:
        os.lseek(stdin, 0, os.SEEK_SET)
        given = os.dup(stdin)
    except OSError:
        given = os.open(os.devnull, os.O_RDONLY)
    os.dup2(given, 0)
    os.close(given)
    return run_guest(options, argv, fingerprint.watch)
