"""Programs on ring3 from Python, in the shape of ``subprocess``.

>>> import ring3
>>> done = ring3.run(["echo", "hello"], capture_output=True, text=True)
>>> done.returncode, done.stdout
(0, 'hello\\n')

A guest sees the host's programs and libraries and the working directory, and writes into a private
overlay that is thrown away:

>>> with ring3.Kernel() as k:
...     _ = k.run(["sh", "-c", "echo secret > note.txt"], check=True)
...     k.run(["cat", "note.txt"], capture_output=True).stdout
b'secret\\n'
>>> import os
>>> os.path.exists("note.txt")
False
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading

from ring3 import kernel as core
from ring3.abi.errno import Errno
from ring3.abi.hints import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from ring3.guest_path import GuestPath
    from ring3.task.refusals import Refusal

    Argv = Sequence[str | bytes | os.PathLike[str]]

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
STDOUT = subprocess.STDOUT
CalledProcessError = subprocess.CalledProcessError
TimeoutExpired = subprocess.TimeoutExpired


class CompletedProcess(subprocess.CompletedProcess[Any]):
    """A finished program: ``args returncode stdout stderr`` as in ``subprocess``, and

    - ``changes``: what it changed in its overlay, as (kind, path) with kind "added", "modified" or
      "deleted";
    - ``denials``: what was refused for want of a grant, each with ``call``, ``rule`` and ``grant``;
    - ``log``: what the kernel had to say (refusals, calls that are not there, fatal signals).
    """

    def __init__(
        self,
        args: Any,
        returncode: int,
        stdout: Any = None,
        stderr: Any = None,
        changes: list[tuple[str, str]] | None = None,
        denials: list[Refusal] | None = None,
        log: str = "",
    ) -> None:
        super().__init__(args, returncode, stdout, stderr)
        self.denials = denials if denials is not None else []
        self.changes = changes if changes is not None else []
        self.log = log


def returncode_of(status: int) -> int:
    """A wait(2) status as ``subprocess`` shows it: the exit code, or minus the signal."""
    return -(status & 0x7F) if status & 0x7F else status >> 8 & 0xFF


class Popen:
    """A running program. ``stdin``, ``stdout`` and ``stderr`` take what ``subprocess.Popen``
    takes: None (the caller's), PIPE, DEVNULL, STDOUT, a descriptor or a file object.

    Without *kernel* the program gets a kernel of its own, closed when it has been waited for;
    *options* are those of :class:`Kernel`.
    """

    def __init__(
        self,
        args: Argv,
        *,
        stdin: int | IO[Any] | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        text: bool = False,
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        kernel: Kernel | None = None,
        **options: Any,
    ) -> None:
        self.args = args
        self.own_kernel = kernel is None
        self.kernel = kernel if kernel is not None else Kernel(**options)
        self.returncode: int | None = None
        self.stdin: IO[Any] | None = None
        self.stdout: IO[Any] | None = None
        self.stderr: IO[Any] | None = None
        streams = Streams(text)
        try:
            numbers = (
                streams.open(stdin, 0),
                out := streams.open(stdout, 1),
                out if stderr == STDOUT else streams.open(stderr, 2),
            )
            argv = [os.fspath(a) for a in args]
            self.guest = self.kernel.spawn(
                argv, env=env, cwd=cwd, stdin=numbers[0], stdout=numbers[1], stderr=numbers[2]
            )
        except BaseException:
            streams.close_all()
            self._close_kernel()
            raise
        streams.close_theirs()
        self.stdin, self.stdout, self.stderr = streams.ours
        self.pid = self.guest.pid

    def wait(self, timeout: float | None = None) -> int:
        """The return code. Raises TimeoutExpired."""
        if self.returncode is None:
            try:
                status = self.guest.wait(timeout)
            except TimeoutError:
                raise TimeoutExpired(self.args, timeout or 0) from None
            self.returncode = returncode_of(status)
        return self.returncode

    def poll(self) -> int | None:
        if self.returncode is None and self.guest.gone.happened:
            self.wait()
        return self.returncode

    def send_signal(self, signo: int) -> None:
        if self.poll() is None:
            self.guest.send_signal(signo)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Feed *input*, read everything, wait. Raises TimeoutExpired; the program then runs on."""
        readers = [Reader(stream) for stream in (self.stdout, self.stderr)]
        feeder = None
        if self.stdin is not None:
            feeder = threading.Thread(target=feed, args=(self.stdin, input), daemon=True)
            feeder.start()
        self.wait(timeout)
        if feeder is not None:
            feeder.join()  # the program is gone: a write ends at once
        return readers[0].result(), readers[1].result()

    def close(self) -> None:
        """Close the pipes and, if it is our own, the kernel (which ends what still runs)."""
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass  # what was still buffered for a program that is gone
        self._close_kernel()

    def _close_kernel(self) -> None:
        if self.own_kernel:
            self.kernel.close()

    def __enter__(self) -> Popen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is None:
            self.wait()
        self.close()


class Streams:
    """The three streams of a program: the host descriptors it gets, and our ends of pipes."""

    def __init__(self, text: bool) -> None:
        self.text = text
        self.ours: list[IO[Any] | None] = [None, None, None]
        self.theirs: list[int] = []

    def open(self, wanted: int | IO[Any] | None, number: int) -> int:
        if wanted is None:
            return number
        if wanted == PIPE:
            r, w = os.pipe()
            theirs, ours, mode = (r, w, "w") if number == 0 else (w, r, "r")
            self.theirs.append(theirs)
            self.ours[number] = open(ours, mode if self.text else mode + "b")
            return theirs
        if wanted == DEVNULL:
            self.theirs.append(os.open(os.devnull, os.O_RDWR))
            return self.theirs[-1]
        return wanted if isinstance(wanted, int) else wanted.fileno()

    def close_theirs(self) -> None:
        for fd in self.theirs:
            os.close(fd)
        self.theirs = []

    def close_all(self) -> None:
        self.close_theirs()
        for stream in self.ours:
            if stream is not None:
                stream.close()


class Reader:
    """Reads one stream to its end on a thread of its own."""

    def __init__(self, stream: IO[Any] | None) -> None:
        self.stream = stream
        self.data: Any = None
        self.thread = threading.Thread(target=self.read, daemon=True)
        if stream is not None:
            self.thread.start()

    def read(self) -> None:
        assert self.stream is not None
        self.data = self.stream.read()

    def result(self) -> Any:
        if self.stream is not None:
            self.thread.join()
        return self.data


def feed(stream: IO[Any], data: Any) -> None:
    try:
        if data:
            stream.write(data)
        stream.close()
    except BrokenPipeError:
        pass  # the program did not want all of it, as with subprocess


class Kernel(core.Kernel):
    """A live guest world: programs started in it share its files, pids and network.

    Options: ``profile`` ("fast" or "full"), ``root``, ``rw`` and ``ro`` (sequences of host paths),
    ``env``, ``uid``, ``gid``, ``cwd``, ``hostname``; ``machine`` ("native" or "emulated") and, on
    the emulated one, ``seed``: worlds with the same seed and the same input run alike.
    """

    def popen(self, args: Argv, **options: Any) -> Popen:
        return Popen(args, kernel=self, **options)

    def run(
        self,
        args: Argv,
        *,
        input: Any = None,
        capture_output: bool = False,
        timeout: float | None = None,
        check: bool = False,
        **options: Any,
    ) -> CompletedProcess:
        """Run a program to its end, as ``subprocess.run`` does."""
        if capture_output:
            options["stdout"] = options["stderr"] = PIPE
        if input is not None:
            options["stdin"] = PIPE
        process = self.popen(args, **options)
        try:
            out, err = process.communicate(input, timeout)
        except TimeoutExpired:
            process.kill()
            process.wait(10)
            raise
        finally:
            process.close()
        done = CompletedProcess(args, process.returncode or 0, out, err, log=self.log())
        done.denials = list(self.world.refusals)
        if check:
            done.check_returncode()
        return done

    def path(self, path: str | os.PathLike[str]) -> GuestPath:
        """A path in the guest's tree, to read and write from outside, as the guest's user:

        >>> with Kernel() as k:
        ...     k.path("/tmp/in.txt").write_text("42")
        ...     k.run(["cat", "/tmp/in.txt"], capture_output=True).stdout
        2
        b'42'
        """
        from ring3.guest_path import GuestPath

        return GuestPath(self, path)

    def on(self, name: str) -> Callable[[Callable[[Call], Any]], Callable[[Call], Any]]:
        """Decorate a function that is asked before each system call *name* (of tasks started from
        now on). It may return None (go on), an errno class from ``ring3.abi.errno`` (the call fails
        with it), or a number (the call's result); the kernel's own handler then does not run.

        >>> from ring3.abi.errno import ENOSPC
        >>> with Kernel() as k:
        ...     @k.on("mkdir")
        ...     def full(call):
        ...         return ENOSPC
        ...     done = k.run(["mkdir", "x"], capture_output=True, text=True)
        >>> done.stderr.rpartition(": ")[2]
        'No space left on device\\n'
        """

        def enter(function: Callable[[Call], Any]) -> Callable[[Call], Any]:
            self.add_filter(lambda t, nr, called, args: judge(function, name, t, called, args))
            return function

        return enter

    def changes(self) -> list[tuple[str, str]]:
        """What guests changed in the overlay so far: (kind, path)."""
        with self.lock:
            return [(c.kind, os.fsdecode(c.path)) for c in self.view.changes()]


class Call:
    """What a function given to ``Kernel.on`` sees of a system call."""

    __slots__ = ("args", "memory", "name", "pid", "tid")

    def __init__(self, name: str, args: Sequence[int], task: Any) -> None:
        self.name = name
        self.args = tuple(args)
        """The six registers, as they came."""
        self.pid = task.process.pid
        self.tid = task.tid
        self.memory = task.memory
        """The guest's memory: ``load(addr, size)``, ``load_string(addr, limit)``."""


def judge(
    function: Callable[[Call], Any], name: str, task: Any, called: str, args: Sequence[int]
) -> int | None:
    if called != name:
        return None
    verdict = function(Call(called, args, task))
    if isinstance(verdict, type) and issubclass(verdict, Errno):
        return -verdict.number
    return None if verdict is None else int(verdict)


def run(
    args: Argv,
    *,
    input: Any = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    text: bool = False,
    stdin: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    **options: Any,
) -> CompletedProcess:
    """Run a program on a kernel of its own (*options*: see :class:`Kernel`).

    Raises FileNotFoundError or PermissionError where the program cannot be started,
    TimeoutExpired, and with *check* CalledProcessError.
    """
    k = Kernel(**options)
    with k:
        done = k.run(
            args, input=input, capture_output=capture_output, timeout=timeout, check=check,
            text=text, **{n: v for n, v in (("stdin", stdin), ("stdout", stdout),
                                            ("stderr", stderr)) if v is not None},
        )  # fmt: skip
        done.changes = k.changes()
        return done


async def arun(args: Argv, **options: Any) -> CompletedProcess:
    """``run`` for asyncio: awaits on a thread."""
    import asyncio

    work: Callable[[], CompletedProcess] = lambda: run(args, **options)  # noqa: E731
    return await asyncio.get_running_loop().run_in_executor(None, work)
