"""``ring3 run --verify``: run a program twice and show that both runs were the same.

The machine takes a fingerprint of each run: a hash of the registers at every entry into the kernel.
The first entry that differs is named.
"""

from __future__ import annotations

import _thread
import os
import stat

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.cli.guest import GuestOptions, run_guest, say

if TYPE_CHECKING:
    pass

DIFFERENT = 125


def run_twice(options: GuestOptions, argv: list[str]) -> int:
    """Run *argv*, then again without showing its output; the first run's wait status, or that of
    exit 125 if the runs differed."""
    if options.seed is None:
        options.seed = 0
    runs: list[Any] = []
    stdin = os.dup(0)
    try:
        # Before the first run: a file is as long for the second one as it was then.
        one = sink_like(1)
        sinks = one, one if same_file(1, 2) else sink_like(2)
        status = with_stdin(stdin, options, argv, runs)
        kept = os.dup(1), os.dup(2)
        for number, sink in zip((1, 2), sinks, strict=True):
            os.dup2(sink, number)
        for sink in set(sinks):
            os.close(sink)
        try:
            with_stdin(stdin, options, argv, runs)
        finally:
            for number, fd in zip((1, 2), kept, strict=True):
                os.dup2(fd, number)
                os.close(fd)
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)
    if len(runs) < 2 or not len(runs[0]):
        return status  # no world could be made, or no program found; that was told
    first, second = runs
    at = first.first_difference(second)
    if at is None:
        say(f"verified: {len(first)} traps, the same registers at each in both runs")
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
        return file_like(fd)
    if kind == stat.S_IFIFO:
        reader, sink = os.pipe()
    elif os.isatty(fd):
        reader, sink = terminal_like(fd)
    else:
        return os.open(os.devnull, os.O_RDWR)
    _thread.start_new_thread(drain, (reader,))
    return sink


def file_like(fd: int) -> int:
    """A file with the content, size, position, mode, owner and flags of *fd*'s."""
    import fcntl
    import shutil
    import tempfile

    flags, st = fcntl.fcntl(fd, fcntl.F_GETFL), os.fstat(fd)
    with tempfile.NamedTemporaryFile() as file:
        if flags & os.O_ACCMODE == os.O_WRONLY:
            os.truncate(file.name, st.st_size)
        else:
            shutil.copyfile(f"/proc/self/fd/{fd}", file.name)
        sink = os.open(file.name, flags)
        os.fchmod(sink, stat.S_IMODE(st.st_mode))
        if os.geteuid() == 0:
            os.fchown(sink, st.st_uid, st.st_gid)
    os.lseek(sink, os.lseek(fd, 0, os.SEEK_CUR), os.SEEK_SET)
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


def with_stdin(stdin: int, options: GuestOptions, argv: list[str], runs: list[Any]) -> int:
    """One run, whose fingerprint is put into *runs*.

    A regular file as standard input is read from its start each time; of anything else there is
    only one, so the guest gets an empty one.
    """
    try:
        os.lseek(stdin, 0, os.SEEK_SET)
        given = os.dup(stdin)
    except OSError:
        given = os.open(os.devnull, os.O_RDONLY)
    os.dup2(given, 0)
    os.close(given)
    return run_guest(options, argv, lambda kernel: runs.append(kernel.machine.fingerprint()))
