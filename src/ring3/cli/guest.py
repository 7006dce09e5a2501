"""What ``run`` and ``trace`` share: the options that say what a guest sees, and running it."""

from __future__ import annotations

import _thread
import gc
import os
import sys

from ring3.abi.errno import ENOENT, Errno
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.cli.main import OWN_ERROR
from ring3.cli.parse import BadUsage, Option, count, seconds, size
from ring3.core.light import signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.kernel import GuestProcess, Kernel

NOT_FOUND = 127
NOT_EXECUTABLE = 126
TIMED_OUT = 124
MOST_REFUSALS = 10
"""Refusals that are told one by one."""
FORWARDED = (
    signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGWINCH, signal.SIGCONT, signal.SIGTSTP,
)  # fmt: skip
"""Signals to ring3 that are meant for the guest."""
FROM_TERMINAL = (
    signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGWINCH, signal.SIGCONT, signal.SIGHUP,
)  # fmt: skip
"""Those that a terminal sends to everybody in its foreground."""


class GuestOptions:
    """What the guest sees and may use."""

    def __init__(self) -> None:
        self.rw: list[str] = []
        self.ro: list[str] = []
        self.root: str | None = None
        self.env: dict[str, str | None] = {}
        """None: taken out of the caller's environment."""
        self.clear_env = False
        self.uid: int | None = None
        self.gid: int | None = None
        self.workdir: str | None = None
        self.hostname = "ring3"
        self.limits: dict[str, int] = {}
        self.timeout: float | None = None
        self.profile = "fast"
        self.machine = "native"
        self.seed: int | None = None
        self.disk: str | None = None
        self.verify = False
        self.keep: str | None = None
        self.diff = False
        self.log = False
        self.stdout = 1
        """Host descriptor of the guest's standard output."""
        self.denials: bool | None = None
        """Tell at the end what was refused; None: if standard error is a terminal."""

    # --- setters of options ----------------------------------------------------------------------
    def set_env(self, text: str) -> None:
        name, equals, value = text.partition("=")
        if not name:
            raise ValueError("give NAME=VALUE, or NAME to pass the caller's on")
        self.env[name] = value if equals else os.environ.get(name)

    def set_user(self, text: str) -> None:
        user, _, group = text.partition(":")
        self.uid, default_gid = user_id(user)
        self.gid = group_id(group) if group else default_gid

    def set_root(self, text: str) -> None:
        if text.startswith("oci:"):
            raise ValueError("oci: images are not supported yet; unpack one and give its directory")
        if not os.path.isdir(text):
            raise ValueError(f"{text} is no directory")
        self.root = text

    def set_profile(self, text: str) -> None:
        if text not in ("fast", "full"):
            raise ValueError(f"{text!r} is no profile: fast or full")
        self.profile = text

    def set_machine(self, text: str) -> None:
        if text not in ("native", "emulated"):
            raise ValueError(f"{text!r} is no machine: native or emulated")
        self.machine = text

    def set_seed(self, text: str) -> None:
        try:
            self.seed = int(text, 0)
        except ValueError:
            raise ValueError(f"{text!r} is no number") from None

    def limit(self, name: str, parse: Callable[[str], int]) -> Callable[[str], None]:
        def apply(text: str) -> None:
            self.limits[name] = parse(text)

        return apply

    def options(self) -> list[Option]:
        """The table of options, for both commands."""
        return [
            Option("--rw", "PATH", "writes below PATH go through to the host (repeatable)",
                   self.rw.append),
            Option("--ro", "PATH", "show PATH too, read-only (repeatable)", self.ro.append),
            Option("--root", "DIR", "a directory in place of the host's file tree", self.set_root),
            Option("--uid", "UID[:GID]", "user and group of the guest (default: the caller's)",
                   self.set_user),
            Option("--env", "NAME=VALUE", "set a variable; NAME alone passes the caller's on",
                   self.set_env),
            Option("--clear-env", "", "start with an empty environment", self.setter("clear_env")),
            Option("--workdir", "DIR", "working directory of the guest", self.storer("workdir")),
            Option("--hostname", "NAME", "name of the guest's machine", self.storer("hostname")),
            Option("--mem", "SIZE", "most memory of the guest (512M, 2G)\n"
                   "emulated: the size of its RAM, at least 64M (default 1G)",
                   self.limit("memory", size)),
            Option("--pids", "N", "most processes and threads", self.limit("tasks", count)),
            Option("--timeout", "SECONDS", "end the guest after that time; exit status 124",
                   self.set_timeout),
            Option("--profile", "fast|full", "fast: data calls on granted descriptors run natively"
                   "\nfull: every call reaches the kernel", self.set_profile),
            Option("--machine", "native|emulated", "native: the real CPU\n"
                   "emulated: an x86-64 with privilege levels and page tables, in virtual time",
                   self.set_machine),
            Option("--seed", "N", "emulated: the same random numbers and wall clock in every run",
                   self.set_seed),
            Option("--disk", "FILE", "emulated: FILE is the guest's /dev/vda (read-only unless in"
                   " --rw)", self.storer("disk")),
            Option("--diff", "", "print at the end what the guest added, changed or deleted",
                   self.setter("diff")),
            Option("--keep", "DIR", "save what the guest added or changed into DIR",
                   self.storer("keep")),
            Option("--explain-denials", "", "tell at the end what was refused and what would grant"
                   " it\n(default if standard error is a terminal)", self.setter("denials")),
            Option("--no-denials", "", "do not", self.setter("denials", False)),
            Option("--kernel-log", "", "print the kernel's log at the end", self.setter("log")),
        ]  # fmt: skip

    def storer(self, name: str) -> Callable[[str], None]:
        return lambda text: setattr(self, name, text)

    def setter(self, name: str, value: bool = True) -> Callable[[str], None]:
        return lambda text: setattr(self, name, value)

    def set_timeout(self, text: str) -> None:
        self.timeout = seconds(text)

    def check(self) -> None:
        """BadUsage for options that do not go together."""
        if self.machine == "emulated":
            return
        for given, name in (
            (self.seed is not None, "--seed"), (self.verify, "--verify"),
            (self.disk is not None, "--disk"),
        ):  # fmt: skip
            if given:
                raise BadUsage(f"{name} needs --machine emulated")

    # --- what comes of them ----------------------------------------------------------------------
    def environment(self) -> dict[str, str]:
        found = {} if self.clear_env else dict(os.environ)
        for name, value in self.env.items():
            if value is None:
                found.pop(name, None)
            else:
                found[name] = value
        return found

    def guest_dir(self) -> str:
        if self.workdir is not None:
            return self.workdir
        return "/" if self.root is not None else os.getcwd()

    def make_kernel(self) -> Kernel:
        """Build the guest's world. OSError, ValueError for options it cannot follow."""
        from ring3.kernel import Kernel

        limits = dict(self.limits)
        kernel = Kernel(
            profile=self.profile,
            machine=self.machine,
            root=self.root,
            rw=self.rw,
            ro=self.ro,
            uid=self.uid,
            gid=self.gid,
            hostname=self.hostname,
            seed=self.seed,
            memory=limits.pop("memory", None),
        )
        kernel.world.limits.update(limits)
        if self.disk is not None:
            self.plug_disk(kernel, self.disk)
        return kernel

    def plug_disk(self, kernel: Kernel, path: str) -> None:
        """Make the image at *path* the guest's /dev/vda. OSError, with the kernel closed."""
        from ring3.drivers.blockdevice import attach_disk

        real = os.path.realpath(path)
        writable = any(
            os.path.commonpath((real, os.path.realpath(granted))) == os.path.realpath(granted)
            for granted in self.rw
        )
        source: str | bytes = path
        try:
            if self.verify and writable:
                # What the first run writes must not be there in the second.
                with open(path, "rb") as image:
                    source = image.read()
            with kernel.lock:
                attach_disk(kernel.world, source, writable, (kernel.uid, kernel.gid))
        except BaseException:
            kernel.close()
            raise


def user_id(text: str) -> tuple[int, int]:
    """(uid, its group) of a number or a name."""
    if text.isdigit():
        return int(text), int(text)
    import pwd

    try:
        entry = pwd.getpwnam(text)
    except KeyError:
        raise ValueError(f"no user {text!r}") from None
    return entry.pw_uid, entry.pw_gid


def group_id(text: str) -> int:
    if text.isdigit():
        return int(text)
    import grp

    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise ValueError(f"no group {text!r}") from None


# --- running --------------------------------------------------------------------------------------
def say(text: str) -> None:
    """A line of ring3's own on standard error."""
    os.write(2, f"ring3: {text}\n".encode("utf-8", "surrogateescape"))


def run_guest(
    options: GuestOptions, argv: list[str], prepare: Callable[[Kernel], None] | None = None
) -> int:
    """Build a world, run *argv* in it, report; the wait status for ``leave``.

    *prepare* may add observers before the program starts.
    """
    try:
        kernel = options.make_kernel()
    except (Errno, OSError, ValueError, ImportError) as bad:
        say(said_of(bad))
        return OWN_ERROR << 8
    try:
        if prepare is not None:
            prepare(kernel)
        gc.freeze()  # what is there by now stays: the collector need not look at it again
        gc.enable()
        return run_program(kernel, options, argv)
    finally:
        report(kernel, options)
        kernel.close()


def said_of(bad: Exception) -> str:
    if isinstance(bad, OSError) and bad.strerror:
        return f"{bad.filename}: {bad.strerror}" if bad.filename else bad.strerror
    return str(bad)


def run_program(kernel: Kernel, options: GuestOptions, argv: list[str]) -> int:
    kernel.world.on_stop = stop_too
    # Before the guest starts: it may ask for a signal as soon as it runs.
    with Forwarding(kernel) as signals:
        return run_forwarding(kernel, options, argv, signals)


def run_forwarding(
    kernel: Kernel, options: GuestOptions, argv: list[str], signals: Forwarding
) -> int:
    try:
        guest = kernel.spawn(
            argv, env=options.environment(), cwd=options.guest_dir(), stdout=options.stdout
        )
    except (Errno, OSError) as failed:
        number = failed.number if isinstance(failed, Errno) else failed.errno
        text = failed.text if isinstance(failed, Errno) else failed.strerror
        say(f"{argv[0]}: {told_of_exec(number, text, ENOENT.number)}")
        if isinstance(failed, Errno) and failed.reason:
            say(f"  {failed.reason}")
        return (NOT_FOUND if number == ENOENT.number else NOT_EXECUTABLE) << 8
    signals.begin(guest)
    try:
        return guest.wait(options.timeout)
    except TimeoutError:
        return time_out(guest, options)


def told_of_exec(number: int | None, text: str | None, enoent: int) -> str:
    return "command not found" if number == enoent else (text or "cannot be executed")


def time_out(guest: GuestProcess, options: GuestOptions) -> int:
    """End a guest whose time is up: first as timeout(1) does, then for certain."""
    say(f"the guest ran longer than {options.timeout:g} s and is ended")
    guest.send_signal(signal.SIGTERM)
    try:
        guest.wait(1)
    except TimeoutError:
        guest.send_signal(signal.SIGKILL)
    return TIMED_OUT << 8


class Forwarding:
    """While it is open, signals to ring3 go to the guest instead.

    The host may hand a signal to any thread, and a Python handler runs in the main one alone, once
    that wakes up; worse, it may have interrupted whoever holds the kernel. So the C handler writes
    the number into a pipe, and a thread of its own hands it on.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.guest: GuestProcess
        self.old: dict[int, Any] = {}
        self.pipe: tuple[int, int]
        self.old_wakeup = -1

    def __enter__(self) -> Forwarding:
        self.pipe = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.pipe[1], False)
        self.old_wakeup = signal.set_wakeup_fd(self.pipe[1], warn_on_full_buffer=False)
        for signo in FORWARDED:
            if signal.getsignal(signo) != signal.SIG_IGN:  # nohup(1) and its like stay in force
                self.old[signo] = signal.signal(signo, nothing)
        return self

    def __exit__(self, *exc: object) -> None:
        for signo, handler in self.old.items():
            signal.signal(signo, handler)
        signal.set_wakeup_fd(self.old_wakeup)
        os.close(self.pipe[1])

    def begin(self, guest: GuestProcess) -> None:
        """Hand on what has come so far, and what will come."""
        self.guest = guest
        _thread.start_new_thread(self.hand_on, ())

    def hand_on(self) -> None:
        while numbers := os.read(self.pipe[0], 64):
            for signo in numbers:
                if signo in self.old:
                    self.forward(signo)
        os.close(self.pipe[0])

    def forward(self, signo: int) -> None:
        if signo not in FROM_TERMINAL:
            self.guest.send_signal(signo)
            return
        from ring3.drivers.console import forward
        from ring3.task.jobs import send_to_group

        with self.kernel.lock:
            if not forward(self.kernel.world, signo):
                send_to_group(self.guest.process.group, signo)
            self.kernel.settle()


def nothing(signo: int, frame: object) -> None:
    """What matters is that the number went into the pipe."""


def stop_too() -> None:
    """The guest's first process stopped: whoever started ring3 shall see that."""
    os.kill(os.getpid(), signal.SIGSTOP)


def leave(status: int) -> int:
    """The exit status for wait status *status*; dies of the guest's signal if that killed it."""
    signo = status & 0x7F
    if not signo:
        return status >> 8 & 0xFF
    sys.stdout.flush()
    sys.stderr.flush()
    import resource

    # The guest's core, if it has one, is the guest's: ours would only be confusing.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        if signo != signal.SIGKILL:
            signal.signal(signo, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signo])
        os.kill(os.getpid(), signo)
    except (OSError, ValueError):
        pass  # a signal that cannot be had: SIGKILL's number is still told
    return 128 + signo


def report(kernel: Kernel, options: GuestOptions) -> None:
    """What was asked to be told when the guest is gone."""
    if options.denials or (options.denials is None and os.isatty(2)):
        refusals = list(kernel.world.refusals)
        for refusal in refusals[:MOST_REFUSALS]:
            say(str(refusal))
        if len(refusals) > MOST_REFUSALS:
            say(f"and {len(refusals) - MOST_REFUSALS} refusals more")
    if options.log:
        os.write(2, kernel.log().encode("utf-8", "surrogateescape"))
    if options.diff or options.keep:
        from ring3.cli.changes import keep, print_changes

        changed = list(kernel.view.changes())
        if options.diff:
            print_changes(changed)
        if options.keep:
            keep(changed, options.keep)


def checked(argv: list[str] | None, usage: str) -> list[str]:
    """The guest's words, of which there must be some."""
    if not argv:
        raise BadUsage(f"no command given; usage: {usage}")
    return argv
